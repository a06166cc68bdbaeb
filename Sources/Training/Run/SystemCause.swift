// The words of the system for its errors.

import Foundation

/// The system's words for an error of Foundation, which wraps them in several lines of its own.
package func systemCause(of error: any Error) -> String {
  let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
  let cause = (underlying ?? error) as NSError
  return cause.domain == NSPOSIXErrorDomain
    ? String(cString: strerror(Int32(cause.code))) : "error \(cause.code) of \(cause.domain)"
}
