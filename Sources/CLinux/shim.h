#pragma once

// The C library declares syncfs for programs that define _GNU_SOURCE, and Swift imports it without.
extern int syncfs(int descriptor);

// syncfs under the name of this target: writes everything of a file system to the disk.
static inline int CLinux_syncfs(int descriptor) { return syncfs(descriptor); }

// The C library declares renameat2 for programs that define _GNU_SOURCE, and Swift imports it without.
extern int renameat2(int oldFolder, const char *oldPath, int newFolder, const char *newPath, unsigned flags);

// renameat2 under the name of this target: exchanges what two names of the working folder stand for.
static inline int CLinux_exchange(const char *a, const char *b) {
  return renameat2(-100 /* AT_FDCWD */, a, -100, b, 2 /* RENAME_EXCHANGE */);
}

// The C library declares memfd_create for programs that define _GNU_SOURCE, and Swift imports it without.
extern int memfd_create(const char *name, unsigned flags);

// memfd_create under the name of this target: an anonymous file in memory, closed by exec.
static inline int CLinux_memory_file(const char *name) {
  return memfd_create(name, 1 /* MFD_CLOEXEC */);
}

// The variable is declared for programs that define _GNU_SOURCE, and Swift 6 rejects it as shared.
extern char **environ;

// environ under the name of this target: the environment as `NAME=value`, ended by a null pointer.
static inline char **CLinux_environment(void) { return environ; }
