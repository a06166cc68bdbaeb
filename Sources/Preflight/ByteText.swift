// Numbers of bytes as people read them.

import Foundation

/// Three digits and a unit of 10³, 10⁶, … bytes, whatever the language of the system.
package func bytes(_ count: Int) -> String {
  var (value, unit) = (Double(count), 0)
  let units = ["B", "kB", "MB", "GB", "TB", "PB"]
  while value >= 999.5, unit + 1 < units.count {
    value /= 1000
    unit += 1
  }
  return String(format: value < 99.95 && unit > 0 ? "%.1f" : "%.0f", value) + " " + units[unit]
}
