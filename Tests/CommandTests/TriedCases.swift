// Which cases of a large table are tried, since each takes a program's start.

import Foundation

/// Whether all are: launch/cases.sh asks for that.
private let triesAll = ProcessInfo.processInfo.environment["DDPM_ALL_CASES"] != nil

/// Whether a case is one of the part that is always tried, about one of `count`; always the same ones.
func isTried(_ name: String, oneOf count: Int) -> Bool {
  triesAll || place(of: name, in: count) == 0
}

/// A number below `count` for a case, the same in every run.
func place(of name: String, in count: Int) -> Int {
  name.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xffff } % count
}

/// The elements that are tried of a case: the first, and one of the others.
func tried<Element>(_ elements: [Element], for name: String) -> [Element] {
  guard !triesAll, elements.count > 2 else { return elements }
  return [elements[0], elements[1 + place(of: name, in: elements.count - 1)]]
}
