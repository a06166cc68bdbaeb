#pragma once

// The C library declares syncfs for programs that define _GNU_SOURCE, and Swift imports it without.
extern int syncfs(int descriptor);

// syncfs under the name of this target: writes everything of a file system to the disk.
static inline int CLinux_syncfs(int descriptor) { return syncfs(descriptor); }
