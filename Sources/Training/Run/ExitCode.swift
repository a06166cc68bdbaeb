// Errors as the user learns of them.

import Diffusion
import MPI
import Models
import Sampling
import Storage
import Tensors

/// An error of a room above this one, which says with which exit code it ends.
public protocol ReportedError: Error, CustomStringConvertible {
  /// One of `ExitCode`.
  var exitCode: Int32 { get }
}

/// The exit codes of the commands (sysexits.h), and the error that each stands for.
public enum ExitCode {
  /// A wrong argument or configuration.
  public static let usage: Int32 = 64
  /// A dataset or checkpoint that cannot be used.
  public static let badData: Int32 = 65
  /// A file that is not there.
  public static let missingInput: Int32 = 66
  /// A machine that is not as a run needs it, or a program that is not here or refuses (EX_UNAVAILABLE).
  public static let unavailable: Int32 = 69
  /// A fault of the program or its surroundings, or a diverged run.
  public static let software: Int32 = 70
  /// Memory that the system has not got.
  public static let outOfMemory = SystemMemory.missingExitCode
  /// A file or folder that cannot be created.
  public static let cannotCreate: Int32 = 73
  /// A failed read or write.
  public static let inputOutput: Int32 = 74
  /// Asked to stop, with everything kept: to be started again (EX_TEMPFAIL).
  public static let interrupted: Int32 = 75

  /// The line and exit code by which the user learns of an error.
  public static func failure(for error: any Error) -> Failure {
    switch error {
    case let failure as Failure: failure
    case let agreed as AgreedFailure: agreed.failure
    case let error as StorageError: Failure("\(error)", exitCode: code(for: error))
    case let error as ConfigurationError: Failure("\(error)", exitCode: usage)
    case let error as DiffusersError: Failure("\(error)", exitCode: usage)
    case let error as DiffusionError: Failure("\(error)", exitCode: usage)
    case let error as EvaluationError: Failure("\(error)", exitCode: usage)
    case let error as GenerationError: Failure("\(error)", exitCode: usage)
    case let error as GuidanceError: Failure("\(error)", exitCode: usage)
    case let error as LatentError: Failure("\(error)", exitCode: usage)
    case let error as SamplerError: Failure("\(error)", exitCode: usage)
    case let error as VariationalDiffusionError: Failure("\(error)", exitCode: usage)
    case let error as any ReportedError: Failure("\(error)", exitCode: error.exitCode)
    case let error as IntegrationError: Failure("\(error)", exitCode: code(for: error))
    default: Failure("\(error)", exitCode: software)
    }
  }

  private static func code(for error: IntegrationError) -> Int32 {
    switch error.reason {
    case .tooManyEvaluations: usage
    case .notFinite: badData
    }
  }

  private static func code(for error: StorageError) -> Int32 {
    switch error {
    case .missingInput: missingInput
    case .badData: badData
    case .cannotCreate: cannotCreate
    case .inputOutput: inputOutput
    }
  }
}
