// The checksum of this module's files: XXH3 with 128 bits.

import CXXHash

/// A running XXH3-128 checksum (github.com/Cyan4973/xxHash), as Python's `xxhash.xxh3_128`.
///
/// It finds damage; it is no protection against someone who wants to deceive.
public struct ContentHash: ~Copyable {
  private let state: OpaquePointer

  /// The checksum of nothing so far.
  public init() {
    // XXH3_state_t *XXH3_createState(void)
    guard let state = XXH3_createState() else { fatalError("There is no memory for a checksum.") }
    self.state = state
    // XXH_errorcode XXH3_128bits_reset(XXH3_state_t *statePtr): fails for a null state only.
    precondition(XXH3_128bits_reset(state) == XXH_OK, "The checksum cannot be started.")
  }

  deinit {
    // XXH_errorcode XXH3_freeState(XXH3_state_t *statePtr)
    XXH3_freeState(state)
  }

  /// Adds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    // XXH_errorcode XXH3_128bits_update(XXH3_state_t *statePtr, const void *input, size_t length)
    let status = XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
    precondition(status == XXH_OK || bytes.isEmpty, "The checksum cannot be continued.")
  }

  /// Adds integers, each as eight bytes, little-endian.
  public mutating func update(_ values: [Int]) {
    for value in values {
      withUnsafeBytes(of: Int64(value).littleEndian) { update($0) }
    }
  }

  /// Adds the UTF-8 bytes of a text and a zero byte, so that neighbouring texts stay apart.
  public mutating func update(_ text: String) {
    Array(text.utf8CString).withUnsafeBytes { update($0) }
  }

  /// The checksum so far: 16 bytes, most significant first.
  public func digest() -> [UInt8] {
    // XXH128_hash_t XXH3_128bits_digest(const XXH3_state_t *statePtr)
    let hash = XXH3_128bits_digest(state)
    return withUnsafeBytes(of: hash.high64.bigEndian) { Array($0) }
      + withUnsafeBytes(of: hash.low64.bigEndian) { Array($0) }
  }

  /// The checksum so far as 32 hexadecimal digits.
  public func hexadecimal() -> String {
    digest().map { byte in
      let text = String(byte, radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined()
  }
}
