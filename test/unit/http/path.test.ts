import { describe, expect, it } from 'vitest';
import { parsePath } from '../../../src/http/path.ts';

const route = (path: string) => {
  const { name, model, version } = parsePath(path);
  return [name, model, version];
};

describe('a path', () => {
  it.each([
    ['/v2', ['server', '', null]],
    ['/v2/', ['server', '', null]],
    ['/v2/models', ['models', '', null]],
    ['/v2/models/m', ['model', 'm', null]],
    ['/v2/models/m/versions/3', ['model', 'm', '3']],
    ['/v2/models/m/versions/3/infer', ['infer', 'm', '3']],
    ['/v2/models/m/infer', ['infer', 'm', null]],
    ['/v2/models/m%2ex/ready', ['modelReady', 'm.x', null]],
    ['/v2/models/versions/infer', ['infer', 'versions', null]],
    ['/v2/models/m%2Fx/infer', ['infer', 'm/x', null]],
    ['/v2/models/stats', ['allStatistics', '', null]],
    ['/v2/models/m/stats', ['modelStatistics', 'm', null]],
    ['/v2/models/m/versions/1/stats', ['modelStatistics', 'm', '1']],
    ['/v2/systemsharedmemory/status', ['systemSharedMemory', '', null]],
    ['/v2/cudasharedmemory/region/r/register', ['notOffered', '', null]],
    ['/v2/logging', ['notOffered', '', null]],
    ['/v2/models/m/trace/setting', ['notOffered', 'm', null]],
  ])('%s is a route', (path, expected) => expect(route(path)).toEqual(expected));

  it.each([
    '',
    '/',
    '/v2x',
    '/V2/models',
    '//v2/models',
    '/v2/models/',
    '/v2/models//infer',
    '/v2/models/m/',
    '/v2/models/m/infer/',
    '/v2/models/m/versions',
    '/v2/models/m/bogus',
    '/v2/models/m/trace',
    '/v2/systemsharedmemory',
    '/v2/logging/x',
    '/v2/models/m/constructor',
    '/v2/models/m/__proto__',
    '/v2/models/m/versions/1/infer/x',
    '/v2/models/m;x=y/z',
  ])('%j is none', (path) => expect(route(path)[0]).toBe('none'));

  it.each(['/v2/models/%zz', '/v2/models/%', '/v2/models/%c0%af/infer', '/v2/models/m/%ff'])(
    '%s has broken percent-encoding',
    (path) => expect(() => parsePath(path)).toThrow('percent-encoding'),
  );
});
