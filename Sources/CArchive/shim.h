#pragma once
#include <archive.h>
#include <archive_entry.h>

// AE_IFREG is a macro with a cast, which does not import into Swift: the type of a regular file.
static inline unsigned CArchive_regularFile(void) { return AE_IFREG; }

// Likewise AE_IFDIR: the type of a folder.
static inline unsigned CArchive_folder(void) { return AE_IFDIR; }
