// The defines of Package.swift as functions.

#include "CCommit.h"

const char *CCommit_name(void) { return DDPM_COMMIT; }
const char *CCommit_march(void) { return DDPM_TARGET; }
