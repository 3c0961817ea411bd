/** Who has a port: read from /proc, as far as it lets us; on other systems nobody is named. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** `process 123 (node server.js)`, or empty where that cannot be found out. */
export function portHolder(port: number): string {
  try {
    const inode = listeningInode(port);
    const pid = inode === '' ? '' : ownerOf(inode);
    if (pid === '') return '';
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 120);
    return `process ${pid} (${command})`;
  } catch {
    return '';
  }
}

function listeningInode(port: number): string {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(table, 'utf8').split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(wanted) && columns[3] === '0A') return columns[9] ?? '';
    }
  }
  return '';
}

function ownerOf(inode: string): string {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`) return pid;
      }
    } catch {
      // Another user's process, or one that has just ended.
    }
  }
  return '';
}
