#pragma once
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <png.h>

// Swift reads `png_image.message` as a tuple of 64 characters: this gives it as a C string.
static inline const char *CPNG_message(const png_image *image) { return image->message; }

// PNG_IMAGE_PNG_SIZE_MAX is a macro with an argument, which does not import into Swift.
static inline size_t CPNG_maximumSize(const png_image *image) {
  return PNG_IMAGE_PNG_SIZE_MAX(*image);
}

// What CPNG_read16 reads from, and why it failed.
typedef struct {
  const unsigned char *bytes;
  size_t size;
  size_t place;
  char message[128];
} CPNG_Source;

static inline void CPNG_supply(png_structp png, png_bytep buffer, size_t size) {
  CPNG_Source *source = (CPNG_Source *)png_get_io_ptr(png);
  if (size > source->size - source->place) png_error(png, "the file ends too early");
  memcpy(buffer, source->bytes + source->place, size);
  source->place += size;
}

static inline void CPNG_fail(png_structp png, png_const_charp message) {
  CPNG_Source *source = (CPNG_Source *)png_get_error_ptr(png);
  snprintf(source->message, sizeof source->message, "%s", message);
  png_longjmp(png, 1);
}

static inline void CPNG_warn(png_structp png, png_const_charp message) { (void)png, (void)message; }

// The simplified interface turns 16-bit values into linear light, and the other one reports errors by a
// jump over its caller, which Swift forbids. This reads a 16-bit file as it is, in this machine's byte
// order, and stays on the C side of the jump: 1, or 0 and a message. `values` has room for
// height × width × channels values, the channels being those of the file (2 and 4 with alpha).
static inline int CPNG_read16(CPNG_Source *source, uint32_t width, uint32_t height, int channels,
                              uint16_t *values) {
  png_structp png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, source, CPNG_fail, CPNG_warn);
  if (!png) return 0;
  png_infop info = png_create_info_struct(png);
  png_bytep *volatile rows = NULL;
  if (!info || setjmp(png_jmpbuf(png))) {
    free((void *)rows);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
  }
  png_set_read_fn(png, source, CPNG_supply);
  png_set_chunk_malloc_max(png, 1 << 24);
  png_read_info(png, info);
  if (png_get_bit_depth(png, info) != 16 || png_get_image_width(png, info) != width ||
      png_get_image_height(png, info) != height || png_get_channels(png, info) != channels)
    png_error(png, "the header has changed");
  if (png_get_valid(png, info, PNG_INFO_tRNS)) png_error(png, "a colour of it is transparent");
  const uint16_t one = 1;
  if (*(const unsigned char *)&one) png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != (size_t)width * channels * 2)
    png_error(png, "the rows have another length");
  rows = (png_bytep *)malloc(height * sizeof(png_bytep));
  if (!rows) png_error(png, "there is no memory");
  for (uint32_t y = 0; y < height; y++) rows[y] = (png_bytep)(values + (size_t)y * width * channels);
  png_read_image(png, rows);
  png_read_end(png, NULL);
  free((void *)rows);
  rows = NULL;
  png_destroy_read_struct(&png, &info, NULL);
  return 1;
}

// Swift reads `message` as a tuple of characters: this gives it as a C string.
static inline const char *CPNG_sourceMessage(const CPNG_Source *source) { return source->message; }

// Where CPNG_write16 writes to.
typedef struct {
  unsigned char *bytes;
  size_t capacity;
  size_t place;
} CPNG_Target;

static inline void CPNG_store(png_structp png, png_bytep bytes, size_t size) {
  CPNG_Target *target = (CPNG_Target *)png_get_io_ptr(png);
  if (size > target->capacity - target->place) png_error(png, "there is no room");
  memcpy(target->bytes + target->place, bytes, size);
  target->place += size;
}

static inline void CPNG_flush(png_structp png) { (void)png; }

static inline void CPNG_stop(png_structp png, png_const_charp message) {
  (void)message;
  png_longjmp(png, 1);
}

// An upper limit of what CPNG_write16 writes: rows with a filter's byte, what zlib adds, chunks.
static inline size_t CPNG_maximumSize16(uint32_t width, uint32_t height, int channels) {
  size_t size = ((size_t)width * channels * 2 + 1) * height;
  return size + size / 64 + 12 * (size / 8192 + 1) + 1024;
}

// The simplified interface takes 16-bit values for linear light. This writes grey (1 channel) or
// red-green-blue (3) of 16 bits in this machine's byte order as they are; the bytes written, or 0.
static inline size_t CPNG_write16(const uint16_t *values, uint32_t width, uint32_t height,
                                  int channels, unsigned char *bytes, size_t capacity) {
  CPNG_Target target = {bytes, capacity, 0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, CPNG_stop, CPNG_warn);
  if (!png) return 0;
  png_infop info = png_create_info_struct(png);
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    return 0;
  }
  png_set_write_fn(png, &target, CPNG_store, CPNG_flush);
  png_set_IHDR(png, info, width, height, 16,
               channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  const uint16_t one = 1;
  if (*(const unsigned char *)&one) png_set_swap(png);
  for (uint32_t y = 0; y < height; y++)
    png_write_row(png, (png_const_bytep)(values + (size_t)y * width * channels));
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  return target.place;
}
