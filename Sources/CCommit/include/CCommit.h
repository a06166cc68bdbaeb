// Which source a program was built from, and for which CPU.
//
// In C, because the answer is a define of this one file: a new commit compiles a line and links, where a constant
// of a Swift module would compile everything that imports it.

#ifndef CCOMMIT_H
#define CCOMMIT_H

/// The commit, with "+changes" where files differ from it; "unknown" where the source is no checkout of git.
const char *_Nonnull CCommit_name(void);

/// What DDPM_MARCH was, "native" where it was not set.
const char *_Nonnull CCommit_march(void);

#endif
