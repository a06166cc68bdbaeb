// Of an environment that is kept which can change how a run goes.

import Testing
import Training

@Suite struct ProvenanceTests {
  @Test func jobModulesAndTransportsAreKept() {
    let facts = Provenance.surroundings([
      "SLURM_JOB_ID": "12", "LOADEDMODULES": "gcc/12:openmpi/4.1", "UCX_TLS": "tcp",
      "OMPI_MCA_pml": "ucx", "OMPI_MCA_btl_tcp_if_include": "ib0",
      "OMPI_MCA_orte_hnp_uri": "1;tcp://10.0.0.1", "OMPI_MCA_ess_base_jobid": "7", "HOME": "/root",
    ])
    #expect(
      facts == [
        "job": "slurm 12", "modules": "gcc/12 openmpi/4.1",
        "mpi_variables": "OMPI_MCA_btl_tcp_if_include=ib0 OMPI_MCA_pml=ucx UCX_TLS=tcp",
      ])
    #expect(Provenance.surroundings(["LOADEDMODULES": "", "PATH": "/bin"]).isEmpty)
  }
}
