#pragma once

#include <mpi.h>

// MPI's handles are macros that cast; Swift imports neither casts nor, on every MPI library, the
// plain constants. Each function below gives one of them a name that Swift can see.

/// MPI_COMM_WORLD casts the address of a library object.
static inline MPI_Comm CMPI_COMM_WORLD(void) { return MPI_COMM_WORLD; }

/// MPI_REQUEST_NULL casts the address of a library object.
static inline MPI_Request CMPI_REQUEST_NULL(void) { return MPI_REQUEST_NULL; }

/// MPI_INFO_NULL casts the address of a library object.
static inline MPI_Info CMPI_INFO_NULL(void) { return MPI_INFO_NULL; }

/// MPI_ERRORS_RETURN casts the address of a library object.
static inline MPI_Errhandler CMPI_ERRORS_RETURN(void) { return MPI_ERRORS_RETURN; }

/// MPI_STATUS_IGNORE is a cast null pointer.
static inline MPI_Status *CMPI_STATUS_IGNORE(void) { return MPI_STATUS_IGNORE; }

/// MPI_IN_PLACE is an integer cast to a pointer; the buffers it stands for are const or not.
static inline void *CMPI_IN_PLACE(void) { return (void *)MPI_IN_PLACE; }

/// MPI_THREAD_FUNNELED is an enumerator in one library and a macro in another.
static inline int CMPI_THREAD_FUNNELED(void) { return MPI_THREAD_FUNNELED; }

/// MPI_COMM_TYPE_SHARED is an enumerator in one library and a macro in another.
static inline int CMPI_COMM_TYPE_SHARED(void) { return MPI_COMM_TYPE_SHARED; }

/// MPI_SUCCESS is compared with every status; one spelling for every library.
static inline int CMPI_SUCCESS(void) { return MPI_SUCCESS; }

/// MPI_MAX_ERROR_STRING is a macro over a macro of another header.
static inline int CMPI_MAX_ERROR_STRING(void) { return MPI_MAX_ERROR_STRING; }

/// MPI_MAX_LIBRARY_VERSION_STRING is a macro over a macro of another header.
static inline int CMPI_MAX_LIBRARY_VERSION_STRING(void) { return MPI_MAX_LIBRARY_VERSION_STRING; }

/// MPI_FLOAT casts the address of a library object.
static inline MPI_Datatype CMPI_FLOAT(void) { return MPI_FLOAT; }

/// MPI_DOUBLE casts the address of a library object.
static inline MPI_Datatype CMPI_DOUBLE(void) { return MPI_DOUBLE; }

/// MPI_INT64_T casts the address of a library object.
static inline MPI_Datatype CMPI_INT64_T(void) { return MPI_INT64_T; }

/// MPI_UINT64_T casts the address of a library object.
static inline MPI_Datatype CMPI_UINT64_T(void) { return MPI_UINT64_T; }

/// MPI_UINT8_T casts the address of a library object.
static inline MPI_Datatype CMPI_UINT8_T(void) { return MPI_UINT8_T; }

/// MPI_SUM casts the address of a library object.
static inline MPI_Op CMPI_SUM(void) { return MPI_SUM; }

/// MPI_MIN casts the address of a library object.
static inline MPI_Op CMPI_MIN(void) { return MPI_MIN; }

/// MPI_MAX casts the address of a library object.
static inline MPI_Op CMPI_MAX(void) { return MPI_MAX; }
