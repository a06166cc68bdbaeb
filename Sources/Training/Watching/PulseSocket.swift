// The way of the pulses from rank to rank: UDP, beside MPI.

import Foundation

/// A socket for pulses.
///
/// MPI is of no use here: only one thread may call it, and that one waits. A message that gets lost is
/// followed by the next; a network that lets none through costs the names of others, and nothing else.
package final class PulseSocket: Sendable {
  /// Where a socket can be reached: an IPv4 address and a port, in network order.
  package struct Address: Equatable, Sendable {
    package var host: UInt32
    package var port: UInt16
  }

  private let descriptor: Int32

  /// Opens a socket on any free port; nil where the system has none.
  package init?() {
    // int socket(int domain, int type, int protocol)
    descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    let status = withUnsafeBytes(of: &address) {
      // int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen)
      bind(
        descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
        socklen_t(MemoryLayout<sockaddr_in>.size))
    }
    guard status == 0 else {
      close(descriptor)
      return nil
    }
  }

  deinit { close(descriptor) }

  /// The port, in network order.
  private var port: UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutableBytes(of: &address) {
      // int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen)
      _ = getsockname(
        descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
    }
    return address.sin_port
  }

  /// The addresses of this host under which the socket may be reached, at most `limit`.
  package func addresses(limit: Int = 8) -> [Address] {
    var list: UnsafeMutablePointer<ifaddrs>?
    // int getifaddrs(struct ifaddrs **ifap)
    guard getifaddrs(&list) == 0 else { return [] }
    defer { freeifaddrs(list) }
    var hosts: [UInt32] = []
    var next = list
    while let current = next {
      if let address = current.pointee.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET) {
        let host = UnsafeRawPointer(address).assumingMemoryBound(to: sockaddr_in.self).pointee
          .sin_addr.s_addr
        if !hosts.contains(host) { hosts.append(host) }
      }
      next = current.pointee.ifa_next
    }
    let port = port
    return hosts.prefix(limit).map { Address(host: $0, port: port) }
  }

  /// Sends bytes; whether they arrive is not known.
  package func send(_ bytes: [UInt8], to address: Address) {
    var target = sockaddr_in()
    target.sin_family = sa_family_t(AF_INET)
    target.sin_addr.s_addr = address.host
    target.sin_port = address.port
    withUnsafeBytes(of: &target) {
      // ssize_t sendto(int sockfd, const void *buf, size_t len, int flags, const struct sockaddr
      // *dest_addr, socklen_t addrlen)
      _ = sendto(
        descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL),
        $0.baseAddress!.assumingMemoryBound(to: sockaddr.self),
        socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }

  /// The next message that has arrived, cut off after `limit` bytes; nil where there is none.
  package func receive(limit: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: limit)
    // ssize_t recv(int sockfd, void *buf, size_t len, int flags)
    let count = recv(descriptor, &bytes, limit, Int32(MSG_DONTWAIT))
    return count < 0 ? nil : Array(bytes.prefix(count))
  }
}
