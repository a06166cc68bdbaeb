// A curve in a line of text.

/// A row of blocks of eight heights, `▁▂▃▅▇`, for a terminal.
public enum Sparkline {
  private static let blocks = Array("▁▂▃▄▅▆▇█")

  /// The curve of some numbers, in at most `width` characters; gaps are spaces.
  ///
  /// - Parameter scale: The scale of the heights; on one of logarithms numbers that are not positive are gaps.
  public static func text(_ numbers: [Double], width: Int, scale: Axis.Scale = .linear) -> String {
    guard width > 0, !numbers.isEmpty else { return "" }
    let columns = min(width, numbers.count)
    let means = (0..<columns).map { column in
      let part = numbers[numbers.count * column / columns..<numbers.count * (column + 1) / columns]
        .filter(\.isFinite)
      return part.isEmpty ? Double.nan : part.reduce(0, +) / Double(part.count)
    }
    let axis = Axis(means, scale, isTight: true)
    return String(
      means.map { mean in
        guard let share = axis.share(of: mean) else { return " " }
        return blocks[min(7, max(0, Int(min(1, max(0, share)) * 8)))]
      })
  }
}
