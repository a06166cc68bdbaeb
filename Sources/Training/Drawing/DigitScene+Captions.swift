// How a scene of digits is told, in English and in Chinese.

extension DigitScene {
  /// Four sentences that mean the same.
  ///
  /// "Side by side" names the digits from left to right.
  package func captions(in language: CaptionLanguage) -> [String] {
    switch language {
    case .english: english
    case .chinese: chinese
    }
  }

  private var english: [String] {
    switch self {
    case .one(let digit, .middle):
      let word = Numeral.english[digit]
      return [
        "\(a(digit)) in the middle", "\(a(digit)) in the centre", "a single \(word), in the middle",
        "the middle holds \(a(digit))",
      ]
    case .one(let digit, let place):
      let (word, corner) = (Numeral.english[digit], place.english)
      return [
        "\(a(digit)) at the \(corner)", "\(a(digit)) in the \(corner) corner",
        "a single \(word), \(corner)", "the \(corner) corner holds \(a(digit))",
      ]
    case .beside(let left, let right):
      return [
        "\(a(left)) to the left of \(a(right))", "\(a(right)) to the right of \(a(left))",
        left == right
          ? "two \(Numeral.plural(left)) side by side"
          : "\(a(left)) and \(a(right)) side by side",
        "\(a(left)) on the left and \(a(right)) on the right",
      ]
    case .above(let top, let bottom):
      return [
        "\(a(top)) above \(a(bottom))", "\(a(bottom)) below \(a(top))",
        top == bottom
          ? "two \(Numeral.plural(top)), one above the other" : "\(a(top)) over \(a(bottom))",
        "\(a(top)) at the top and \(a(bottom)) at the bottom",
      ]
    }
  }

  private var chinese: [String] {
    switch self {
    case .one(let digit, let place):
      let (word, corner) = (Numeral.chinese[digit], place.chinese)
      return [
        "\(corner)有一个\(word)", "\(word)在\(corner)", "一个\(word)，位于\(corner)", "\(corner)写着\(word)",
      ]
    case .beside(let left, let right):
      let (left, right) = (Numeral.chinese[left], Numeral.chinese[right])
      return [
        "\(left)在\(right)的左边", "\(right)在\(left)的右边",
        left == right ? "两个\(left)左右并排" : "\(left)和\(right)左右并排", "左边是\(left)，右边是\(right)",
      ]
    case .above(let top, let bottom):
      let (top, bottom) = (Numeral.chinese[top], Numeral.chinese[bottom])
      return [
        "\(top)在\(bottom)的上面", "\(bottom)在\(top)的下面",
        top == bottom ? "两个\(top)上下排列" : "\(top)和\(bottom)上下排列", "上面是\(top)，下面是\(bottom)",
      ]
    }
  }

  /// "A three", "an eight".
  private func a(_ digit: Int) -> String { Numeral.withArticle(digit) }
}

extension DigitScene.Place {
  fileprivate var english: String {
    switch self {
    case .topLeft: "top left"
    case .topRight: "top right"
    case .bottomLeft: "bottom left"
    case .bottomRight: "bottom right"
    case .middle: "middle"
    }
  }

  fileprivate var chinese: String {
    switch self {
    case .topLeft: "左上角"
    case .topRight: "右上角"
    case .bottomLeft: "左下角"
    case .bottomRight: "右下角"
    case .middle: "中间"
    }
  }
}

/// The words for the digits.
enum Numeral {
  static let english = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
  ]
  static let chinese = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"]

  /// As "a three" and "an eight".
  static func withArticle(_ digit: Int) -> String {
    (digit == 8 ? "an " : "a ") + english[digit]
  }

  /// As "threes" and "sixes".
  static func plural(_ digit: Int) -> String { english[digit] + (digit == 6 ? "es" : "s") }
}
