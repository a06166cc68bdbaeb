// What SciPy's solve_ivp computes, printed by `record_flow.py`: do not edit.
//
// numpy 2.4.6, scipy 1.17.1.
enum RecordedFlow {
  /// The schedule: linear.
  static let (steps, first, last) = (12, 0.001, 0.6)
  /// A, row by row, and b.
  static let matrix = [0.7, -0.4, 0.2, 0.3, -0.5, 0.6, -0.1, 0.8, 0.25]
  static let bias = [0.1, -0.2, 0.3]
  /// x̃ at the first step.
  static let images: [[Double]] = [
    [0.5, -1, 0.125],
    [0, 0, 0],
    [-0.75, 0.25, 1],
    [1, 1, -1],
  ]
  /// log p(x̃) in nats, and x_T.
  static let values: [[Double]] = [
    [-4.30442258998, 1.65414081789, -0.48997119894, -0.460184656039],
    [-2.35712679315, 0.373054653575, -0.0123522884923, 0.419772858088],
    [-5.90053473325, -1.37360257531, 0.579479092096, 2.14950187126],
    [-4.11791180868, 1.80347804722, 0.382306840295, -0.34310765965],
  ]
}
