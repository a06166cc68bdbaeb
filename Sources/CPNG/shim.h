#include <stdio.h>
#include <png.h>

// Swift reads `png_image.message` as a tuple of 64 characters: this gives it as a C string.
static inline const char *CPNG_message(const png_image *image) { return image->message; }

// PNG_IMAGE_PNG_SIZE_MAX is a macro with an argument, which does not import into Swift.
static inline size_t CPNG_maximumSize(const png_image *image) {
  return PNG_IMAGE_PNG_SIZE_MAX(*image);
}
