/**
 * Every route there is: its path, its methods, its listener. Routing (path.ts, server.ts) and the OpenAPI document are made
 * from this table and from nothing else.
 */

/** Where a route answers; health does on both listeners. */
export type Listener = 'inference' | 'admin' | 'both';

/** One route. */
export interface RouteSpec {
  /** A literal path, or one that begins with `/v2/models/{model}` and may then name a version as well. */
  readonly path: string;
  readonly methods: readonly ('GET' | 'HEAD' | 'POST')[];
  readonly listener: Listener;
  /** One line for people. */
  readonly summary: string;
}

/** What stands before the action in the path of a model's route. */
export const MODEL_PATH = '/v2/models/{model}';

/** The same with a version. */
export const VERSION_PATH = '/v2/models/{model}/versions/{version}';

const READ = ['GET', 'HEAD'] as const;

/** All routes by name. */
export const ROUTES = {
  server: { path: '/v2', methods: READ, listener: 'inference', summary: 'Name, version and extensions of the server' },
  live: { path: '/v2/health/live', methods: READ, listener: 'both', summary: 'Whether the process answers' },
  ready: { path: '/v2/health/ready', methods: READ, listener: 'both', summary: 'Whether requests are served' },
  openapi: { path: '/v2/openapi.json', methods: READ, listener: 'inference', summary: 'This description' },
  models: { path: '/v2/models', methods: READ, listener: 'inference', summary: 'Names of the models' },
  allStatistics: {
    path: '/v2/models/stats',
    methods: READ,
    listener: 'inference',
    summary: 'Statistics of all models',
  },
  repositoryIndex: {
    path: '/v2/repository/index',
    methods: ['POST'],
    listener: 'inference',
    summary: 'Every model version with its state',
  },
  model: { path: MODEL_PATH, methods: READ, listener: 'inference', summary: 'Inputs and outputs of a model' },
  modelReady: {
    path: `${MODEL_PATH}/ready`,
    methods: READ,
    listener: 'inference',
    summary: 'Whether a model version serves',
  },
  modelConfig: {
    path: `${MODEL_PATH}/config`,
    methods: READ,
    listener: 'inference',
    summary: "A model's configuration in Triton's form",
  },
  modelStatistics: {
    path: `${MODEL_PATH}/stats`,
    methods: READ,
    listener: 'inference',
    summary: 'Statistics of a model: of one version, or of all that serve',
  },
  scheduler: {
    path: `${MODEL_PATH}/scheduler`,
    methods: READ,
    listener: 'admin',
    summary: 'What the scheduler of a model version has learned, decides, and why',
  },
  capacity: {
    path: '/v2/capacity',
    methods: READ,
    listener: 'admin',
    summary: 'Capacity and headroom of every version in service, rows per second at its target',
  },
  infer: { path: `${MODEL_PATH}/infer`, methods: ['POST'], listener: 'inference', summary: 'Inference' },
  systemSharedMemory: {
    path: '/v2/systemsharedmemory/status',
    methods: READ,
    listener: 'inference',
    summary: 'Always empty: shared memory is not offered',
  },
  cudaSharedMemory: {
    path: '/v2/cudasharedmemory/status',
    methods: READ,
    listener: 'inference',
    summary: 'Always empty: shared memory is not offered',
  },
  metrics: { path: '/metrics', methods: READ, listener: 'admin', summary: 'Figures for Prometheus' },
  debug: { path: '/admin/debug', methods: READ, listener: 'admin', summary: 'The whole gateway as one picture' },
} as const satisfies Record<string, RouteSpec>;

/** Name of a route. */
export type RouteName = keyof typeof ROUTES;

/** Paths of Triton's that answer 501, whatever the method: one that ends with a slash stands for all below it. */
export const NOT_OFFERED: readonly string[] = [
  '/v2/systemsharedmemory/',
  '/v2/cudasharedmemory/',
  '/v2/logging',
  '/v2/trace/setting',
  `${MODEL_PATH}/trace/setting`,
];
