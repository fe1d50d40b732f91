import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { tempDir } from './temp-dir.js'

/** A file system that takes upper and lower case for the same: `mount` gives a fresh one. */
export interface FoldingDisk {
  mount(): string
  unmountAll(): void
}

/**
 * NTFS by Debian's `lowntfs-3g`, which runs in user space: the kernels of test machines rarely know a file system that
 * folds case. It lists every name in lower case. Its packages are unpacked, not installed. Undefined where there is no
 * apt, no network, no /dev/fuse or no right to mount.
 */
export function findFoldingDisk(): FoldingDisk | undefined {
  const folder = tempDir()
  const env = { ...process.env, LD_LIBRARY_PATH: path.join(folder, 'lib/x86_64-linux-gnu') }
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 })
  const mounted: string[] = []
  const disk = {
    mount() {
      const name = `disk-${mounted.length}`
      run('truncate', '-s', '16M', `${name}.img`)
      run(path.join(folder, 'sbin/mkntfs'), '-q', '-F', '-f', `${name}.img`)
      mkdirSync(path.join(folder, name))
      run(path.join(folder, 'bin/lowntfs-3g'), '-o', 'ignore_case', `${name}.img`, name)
      mounted.push(path.join(folder, name))
      return path.join(folder, name)
    },
    unmountAll: () => {
      for (const mount of mounted.splice(0)) run('/bin/umount', mount)
    },
  }
  try {
    const library =
      run('apt-cache', 'depends', 'ntfs-3g')
        .toString()
        .match(/libntfs-3g\w+/)?.[0] ?? ''
    run('apt-get', '-qq', '-o', 'APT::Sandbox::User=root', 'download', 'ntfs-3g', library)
    run('sh', '-c', 'for deb in *.deb; do dpkg-deb -x "$deb" . || exit 1; done')
    disk.mount()
    return disk
  } catch {
    disk.unmountAll()
    return undefined
  }
}
