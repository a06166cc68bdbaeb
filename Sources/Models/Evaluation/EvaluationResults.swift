// The numbers of all images, and the estimates that follow from them.

/// The numbers of all images.
public struct Measurements: Sendable {
  /// The numbers, those of the first image first.
  public let values: [Double]
  /// How many an image has.
  public let width: Int

  /// The numbers of some images.
  public init(_ values: [Double], width: Int) {
    precondition(values.count % width == 0, "Each image has all its numbers.")
    self.values = values
    self.width = width
  }

  /// The number of images.
  public var count: Int { values.count / width }

  /// The number `column` of image `n`.
  public subscript(n: Int, column: Int) -> Double { values[n * width + column] }

  /// The mean of a number over the images.
  public func mean(_ column: Int) -> Double {
    (0..<count).reduce(0) { $0 + self[$1, column] } / Double(count)
  }
}

/// What an evaluation has found.
public struct EvaluationResults: Sendable {
  /// Each estimate of −log p(x).
  public var estimates: [Estimate]
  /// Further tables.
  public var tables: [Table] = []

  /// Some estimates, without further tables.
  public init(_ estimates: [Estimate]) { self.estimates = estimates }

  /// One estimate of −log p(x), in nats, summed over the scalars of an image.
  public struct Estimate: Sendable {
    /// What tells it from the others, such as the variance of the reverse steps.
    public let name: String
    /// The names of its terms.
    public let terms: [String]
    /// The mean of each term over the images.
    public let means: [Double]
    /// The standard error of each mean; 0 where there is one image.
    public let errors: [Double]
    /// The sum of the terms of each image.
    public let totals: [Double]

    /// The same under another name.
    func named(_ name: String) -> Estimate { Estimate(name, self) }

    private init(_ name: String, _ other: Estimate) {
      (self.name, terms, means) = (name, other.terms, other.means)
      (errors, totals) = (other.errors, other.totals)
    }

    /// Adds up the terms of some images.
    ///
    /// - Parameter term: The value of a term of an image.
    public init(
      _ name: String, terms: [String], images: Int, _ term: (_ image: Int, _ term: Int) -> Double
    ) {
      (self.name, self.terms) = (name, terms)
      var (moments, totals) = ([Moments](repeating: Moments(), count: terms.count), [Double]())
      for n in 0..<images {
        var total = 0.0
        for i in terms.indices {
          let value = term(n, i)
          total += value
          moments[i].add(value)
        }
        totals.append(total)
      }
      (means, errors) = (moments.map(\.mean), moments.map(\.standardError))
      self.totals = totals
    }

    /// The mean of the totals, and its standard error.
    public var total: (mean: Double, error: Double) {
      var moments = Moments()
      for total in totals { moments.add(total) }
      return (moments.mean, moments.standardError)
    }
  }

  /// Numbers with a name and a head.
  public struct Table: Sendable {
    /// What it shows, as a title.
    public let title: String
    /// The name of each column.
    public let columns: [String]
    /// The rows.
    public let rows: [[Double]]

    /// Rows of as many numbers as there are columns.
    public init(_ title: String, columns: [String], rows: [[Double]]) {
      precondition(rows.allSatisfy { $0.count == columns.count }, "A row fills all columns.")
      (self.title, self.columns, self.rows) = (title, columns, rows)
    }
  }
}

/// Mean and variance of numbers that come one by one (Welford 1962).
public struct Moments: Sendable {
  private var count = 0.0
  private var squares = 0.0
  /// The mean; 0 of nothing.
  public private(set) var mean = 0.0

  /// Of nothing.
  public init() {}

  /// Adds a number.
  public mutating func add(_ value: Double) {
    count += 1
    let difference = value - mean
    mean += difference / count
    squares += difference * (value - mean)
  }

  /// The unbiased variance; 0 of fewer than two numbers.
  public var variance: Double { count > 1 ? squares / (count - 1) : 0 }

  /// The standard error of the mean; 0 of fewer than two numbers.
  public var standardError: Double { count > 1 ? (variance / count).squareRoot() : 0 }
}
