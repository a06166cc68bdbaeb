// libarchive turns names by the letters of the locale, which of a program that sets none are ASCII.

import Glibc

/// Calls with UTF-8 as the encoding of names, in this thread and for their time only.
enum UTF8Locale {
  /// The locale; nil where the system has none of that name, and names are ASCII then.
  private nonisolated(unsafe) static let locale: locale_t? =
    // locale_t newlocale(int category_mask, const char *locale, locale_t base);
    newlocale(Int32(1 << LC_CTYPE), "C.UTF-8", nil)

  /// Calls a function.
  static func with<Result>(_ body: () -> Result) -> Result {
    guard let locale else { return body() }
    // locale_t uselocale(locale_t newloc);
    let before = uselocale(locale)
    defer { uselocale(before) }
    return body()
  }
}
