#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <tiffio.h>
#include <unistd.h>

// Where a TIFF file is: in memory, or, where `bytes` is null, behind a descriptor. Keeps the first error.
typedef struct {
  const unsigned char *bytes;
  int descriptor;
  uint64_t size;
  uint64_t place;
  char message[200];
} CTIFF_Source;

// libtiff hands its errors to a function with a `va_list`, which Swift cannot write: this one keeps the
// text of the first in the source that the error is about.
static inline void CTIFF_keepError(thandle_t handle, const char *module, const char *format,
                                   va_list arguments) {
  (void)module;
  CTIFF_Source *source = (CTIFF_Source *)handle;
  if (source && !source->message[0])
    vsnprintf(source->message, sizeof source->message, format, arguments);
}

// The handlers are the library's, for all files: silence but for CTIFF_keepError.
static inline void CTIFF_setHandlers(void) {
  TIFFSetErrorHandler(NULL);
  TIFFSetWarningHandler(NULL);
  TIFFSetWarningHandlerExt(NULL);
  TIFFSetErrorHandlerExt(CTIFF_keepError);
}

// Swift reads `message` as a tuple of 200 characters: this gives it as a C string.
static inline const char *CTIFF_message(const CTIFF_Source *source) { return source->message; }

static inline tmsize_t CTIFF_read(thandle_t handle, void *buffer, tmsize_t size) {
  CTIFF_Source *source = (CTIFF_Source *)handle;
  if (size <= 0 || source->place >= source->size) return 0;
  if ((uint64_t)size > source->size - source->place) size = source->size - source->place;
  if (source->bytes)
    memcpy(buffer, source->bytes + source->place, size);
  else
    size = pread(source->descriptor, buffer, size, source->place);
  if (size > 0) source->place += size;
  return size;
}

static inline tmsize_t CTIFF_write(thandle_t handle, void *buffer, tmsize_t size) {
  (void)handle, (void)buffer, (void)size;
  return -1;
}

static inline toff_t CTIFF_seek(thandle_t handle, toff_t offset, int from) {
  CTIFF_Source *source = (CTIFF_Source *)handle;
  source->place = offset + (from == SEEK_CUR ? source->place : from == SEEK_END ? source->size : 0);
  return source->place;
}

static inline toff_t CTIFF_size(thandle_t handle) { return ((CTIFF_Source *)handle)->size; }

static inline int CTIFF_close(thandle_t handle) {
  (void)handle;
  return 0;
}

// TIFFClientOpen takes functions that a `static inline` one has no address of in Swift: opens a source for
// reading (r), without mapping (m) and without the bit-order conversions that are optional (h stays off).
static inline TIFF *CTIFF_open(CTIFF_Source *source) {
  return TIFFClientOpen("picture", "rm", (thandle_t)source, CTIFF_read, CTIFF_write, CTIFF_seek,
                        CTIFF_close, CTIFF_size, NULL, NULL);
}

// TIFFGetFieldDefaulted is variadic, which Swift cannot call: a 16-bit field, or the value for none.
static inline uint16_t CTIFF_short(TIFF *file, uint32_t tag, uint16_t otherwise) {
  uint16_t value = otherwise;
  return TIFFGetFieldDefaulted(file, tag, &value) ? value : otherwise;
}

// Likewise a 32-bit field.
static inline uint32_t CTIFF_long(TIFF *file, uint32_t tag, uint32_t otherwise) {
  uint32_t value = otherwise;
  return TIFFGetFieldDefaulted(file, tag, &value) ? value : otherwise;
}

// Likewise the number of values of a pixel beyond its colours, and the kind of the first (EXTRASAMPLE_…).
static inline uint16_t CTIFF_extraSamples(TIFF *file, uint16_t *first) {
  uint16_t count = 0, *kinds = NULL;
  if (!TIFFGetFieldDefaulted(file, TIFFTAG_EXTRASAMPLES, &count, &kinds)) return 0;
  if (count && kinds) *first = kinds[0];
  return count;
}

// Likewise the three tables of a palette, each of 2 to the power of the bits of a value.
static inline int CTIFF_palette(TIFF *file, uint16_t **red, uint16_t **green, uint16_t **blue) {
  return TIFFGetField(file, TIFFTAG_COLORMAP, red, green, blue);
}

// TIFFSetField is variadic too: lets JPEG strips of luminance and chrominance come out as red, green, blue.
static inline int CTIFF_decodeToRGB(TIFF *file) {
  return TIFFSetField(file, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
}
