export { depConstraints, OWNERS, TEST_FILES } from './boundaries.ts';
export { packageBorders } from './package-borders.ts';
