/** For tests: a disk of a few megabytes, a tmpfs. To mount one takes root. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Puts a disk of so many megabytes in a directory's place. */
export function mountDisk(directory: string, megabytes: number): void {
  const options = ['-t', 'tmpfs', '-o', `size=${String(megabytes)}m`];
  execFileSync('mount', [...options, 'tmpfs', directory], { stdio: 'ignore' });
}

/** Makes it larger or smaller, with what is on it. */
export function resizeDisk(directory: string, megabytes: number): void {
  execFileSync('mount', ['-o', `remount,size=${String(megabytes)}m`, directory], { stdio: 'ignore' });
}

export function unmountDisk(directory: string): void {
  execFileSync('umount', ['-l', directory], { stdio: 'ignore' });
}

export function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'magpie-mount-'));
  try {
    mountDisk(probe, 1);
    unmountDisk(probe);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}
