/** A decode thread that starts and has no decoder for WebP; the whole process has none from then on. */

import sharp from 'sharp';

export { default, prove } from '../../src/preprocess/decode-thread.ts';

sharp.block({ operation: ['VipsForeignLoadWebpBuffer'] });
