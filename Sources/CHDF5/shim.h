#pragma once
#include <hdf5.h>

// The macros of HDF5 that Swift does not import, each as a function of the same name. Most first
// make sure that the library is initialised (H5open) and then read a global variable, which Swift 6
// rejects; the others contain a cast.

/// H5P_FILE_CREATE reads a global variable: the class of file creation properties.
static inline hid_t CHDF5_P_FILE_CREATE(void) { return H5P_FILE_CREATE; }
/// H5P_FILE_ACCESS reads a global variable: the class of file access properties.
static inline hid_t CHDF5_P_FILE_ACCESS(void) { return H5P_FILE_ACCESS; }
/// H5P_GROUP_CREATE reads a global variable: the class of group creation properties.
static inline hid_t CHDF5_P_GROUP_CREATE(void) { return H5P_GROUP_CREATE; }
/// H5P_DATASET_CREATE reads a global variable: the class of dataset creation properties.
static inline hid_t CHDF5_P_DATASET_CREATE(void) { return H5P_DATASET_CREATE; }
/// H5P_DATASET_ACCESS reads a global variable: the class of dataset access properties.
static inline hid_t CHDF5_P_DATASET_ACCESS(void) { return H5P_DATASET_ACCESS; }
/// H5P_LINK_CREATE reads a global variable: the class of link creation properties.
static inline hid_t CHDF5_P_LINK_CREATE(void) { return H5P_LINK_CREATE; }

/// H5F_ACC_RDONLY initialises the library: open for reading.
static inline unsigned CHDF5_F_ACC_RDONLY(void) { return H5F_ACC_RDONLY; }
/// H5F_ACC_TRUNC initialises the library: create, emptying what is there.
static inline unsigned CHDF5_F_ACC_TRUNC(void) { return H5F_ACC_TRUNC; }

/// H5S_ALL contains a cast: the whole dataspace.
static inline hid_t CHDF5_S_ALL(void) { return H5S_ALL; }
/// H5S_UNLIMITED contains a cast: an extent without a limit.
static inline hsize_t CHDF5_S_UNLIMITED(void) { return H5S_UNLIMITED; }
/// H5T_VARIABLE contains a cast: the size of a string of variable length.
static inline size_t CHDF5_T_VARIABLE(void) { return H5T_VARIABLE; }

/// H5T_C_S1 reads a global variable: the string type that others are copied from.
static inline hid_t CHDF5_T_C_S1(void) { return H5T_C_S1; }
/// H5T_NATIVE_UINT8 reads a global variable: UInt8 in memory.
static inline hid_t CHDF5_T_NATIVE_UINT8(void) { return H5T_NATIVE_UINT8; }
/// H5T_NATIVE_INT32 reads a global variable: Int32 in memory.
static inline hid_t CHDF5_T_NATIVE_INT32(void) { return H5T_NATIVE_INT32; }
/// H5T_NATIVE_INT64 reads a global variable: Int64 in memory.
static inline hid_t CHDF5_T_NATIVE_INT64(void) { return H5T_NATIVE_INT64; }
/// H5T_NATIVE_UINT64 reads a global variable: UInt64 in memory.
static inline hid_t CHDF5_T_NATIVE_UINT64(void) { return H5T_NATIVE_UINT64; }
/// H5T_NATIVE_FLOAT reads a global variable: Float in memory.
static inline hid_t CHDF5_T_NATIVE_FLOAT(void) { return H5T_NATIVE_FLOAT; }
/// H5T_NATIVE_DOUBLE reads a global variable: Double in memory.
static inline hid_t CHDF5_T_NATIVE_DOUBLE(void) { return H5T_NATIVE_DOUBLE; }
/// H5T_NATIVE_UINT16 reads a global variable: UInt16 in memory.
static inline hid_t CHDF5_T_NATIVE_UINT16(void) { return H5T_NATIVE_UINT16; }

/// H5T_STD_U16LE reads a global variable: UInt16 in a file.
static inline hid_t CHDF5_T_STD_U16LE(void) { return H5T_STD_U16LE; }

/// H5T_STD_U8LE reads a global variable: UInt8 in a file.
static inline hid_t CHDF5_T_STD_U8LE(void) { return H5T_STD_U8LE; }
/// H5T_STD_I32LE reads a global variable: Int32 in a file.
static inline hid_t CHDF5_T_STD_I32LE(void) { return H5T_STD_I32LE; }
/// H5T_STD_I64LE reads a global variable: Int64 in a file.
static inline hid_t CHDF5_T_STD_I64LE(void) { return H5T_STD_I64LE; }
/// H5T_STD_U64LE reads a global variable: UInt64 in a file.
static inline hid_t CHDF5_T_STD_U64LE(void) { return H5T_STD_U64LE; }
/// H5T_IEEE_F32LE reads a global variable: Float in a file.
static inline hid_t CHDF5_T_IEEE_F32LE(void) { return H5T_IEEE_F32LE; }
/// H5T_IEEE_F64LE reads a global variable: Double in a file.
static inline hid_t CHDF5_T_IEEE_F64LE(void) { return H5T_IEEE_F64LE; }
/// H5T_IEEE_F32BE reads a global variable: big-endian Float in a file.
static inline hid_t CHDF5_T_IEEE_F32BE(void) { return H5T_IEEE_F32BE; }
/// H5T_IEEE_F64BE reads a global variable: big-endian Double in a file.
static inline hid_t CHDF5_T_IEEE_F64BE(void) { return H5T_IEEE_F64BE; }

/// The type of a link, or a negative status: H5Lget_info is a macro, over structs of different
/// names, from HDF5 1.12 on.
static inline int CHDF5_link_type(hid_t location, const char *name) {
  H5L_info_t info;
  herr_t status = H5Lget_info(location, name, &info, H5P_DEFAULT);
  return status < 0 ? (int)status : (int)info.type;
}
