// Which environments betray a launcher of another MPI library.

import MPI
import Testing

@Suite struct LauncherTests {
  private func foreign(_ environment: [String: String], worldSize: Int = 1) -> String? {
    Launcher.foreign(worldSize: worldSize) { environment[$0] }.map {
      "\($0.variable)=\($0.processes)"
    }
  }

  @Test func aPlainShellIsWell() {
    #expect(foreign([:]) == nil)
    #expect(foreign(["OMPI_COMM_WORLD_SIZE": "1"]) == nil)
  }

  @Test func severalProcessesThatSeeThemselvesAloneAreNot() {
    #expect(foreign(["OMPI_COMM_WORLD_SIZE": "4"]) == "OMPI_COMM_WORLD_SIZE=4")
    #expect(foreign(["PMI_SIZE": "2", "PMI_RANK": "0"]) == "PMI_SIZE=2")
    #expect(foreign(["MV2_COMM_WORLD_SIZE": "3"]) == "MV2_COMM_WORLD_SIZE=3")
    #expect(
      foreign([
        "SLURM_NTASKS": "8", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3",
        "SLURM_STEP_NUM_TASKS": "8",
      ]) == "SLURM_STEP_NUM_TASKS=8")
  }

  @Test func aWorldOfSeveralRanksIsWell() {
    #expect(foreign(["OMPI_COMM_WORLD_SIZE": "4"], worldSize: 4) == nil)
    #expect(foreign(["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8"], worldSize: 8) == nil)
  }

  /// A batch script sees the job's task count, though nothing was started with it.
  @Test func aBatchShellIsWell() {
    #expect(foreign(["SLURM_NTASKS": "8", "SLURM_PROCID": "0"]) == nil)
    // An interactive step of one shell.
    #expect(
      foreign([
        "SLURM_NTASKS": "8", "SLURM_STEP_ID": "4294967290", "SLURM_PROCID": "0",
        "SLURM_STEP_NUM_TASKS": "1",
      ]) == nil)
    // A single rank that mpirun placed on another node of a job, through Slurm's step.
    #expect(
      foreign([
        "OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0",
        "SLURM_STEP_NUM_TASKS": "2",
      ]) == nil)
  }

  @Test func theMessageIsOneLine() {
    let errors: [MPIError] = [
      .foreignLauncher(variable: "PMI_SIZE", processes: 4, library: "Open MPI v4.1.4"),
      .call(function: "MPI_Send", code: 6, message: "MPI_ERR_RANK: invalid rank"),
      .threadsUnsupported(library: "Open MPI v4.1.4"),
    ]
    for error in errors {
      #expect(!"\(error)".contains("\n"))
    }
    #expect("\(errors[0])".contains("mpirun of Open MPI v4.1.4"))
    #expect("\(errors[0])".contains("PMI_SIZE=4"))
    #expect("\(errors[1])".contains("MPI_Send failed with status 6"))
  }
}
