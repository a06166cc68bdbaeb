// The types of the numbers that ranks send each other.

internal import CMPI

/// The machine representations of numbers in messages.
public enum ScalarKind: Sendable {
  /// IEEE 754 binary32.
  case float
  /// IEEE 754 binary64.
  case double
  /// A signed integer of 64 bits.
  case int64
  /// An unsigned integer of 64 bits.
  case uint64
  /// A byte.
  case uint8

  /// MPI's name of the representation.
  var datatype: MPI_Datatype {
    switch self {
    case .float: CMPI_FLOAT()
    case .double: CMPI_DOUBLE()
    case .int64: CMPI_INT64_T()
    case .uint64: CMPI_UINT64_T()
    case .uint8: CMPI_UINT8_T()
    }
  }
}

/// A number of which buffers can be sent to other ranks.
public protocol MPIScalar: BitwiseCopyable, Sendable {
  /// How the number is represented.
  static var scalarKind: ScalarKind { get }
  /// Zero, which fills buffers before they are received into.
  static var zero: Self { get }
}

extension Float: MPIScalar {
  /// IEEE 754 binary32.
  public static var scalarKind: ScalarKind { .float }
}

extension Double: MPIScalar {
  /// IEEE 754 binary64.
  public static var scalarKind: ScalarKind { .double }
}

extension Int: MPIScalar {
  /// A signed integer of 64 bits.
  public static var scalarKind: ScalarKind { .int64 }
}

extension UInt64: MPIScalar {
  /// An unsigned integer of 64 bits.
  public static var scalarKind: ScalarKind { .uint64 }
}

extension UInt8: MPIScalar {
  /// A byte.
  public static var scalarKind: ScalarKind { .uint8 }
}
