#%Module1.0
# The module of an installation for Environment Modules: installed as
# PREFIX/share/modulefiles/ddpm-dist/VERSION.

proc ModulesHelp {} {
  puts stderr "Trains denoising diffusion models on the CPUs of a cluster. Load Open MPI 4 or 5 first."
  puts stderr "  mpirun -n 8 ddpm-dist train"
  puts stderr "  man ddpm-dist"
}
module-whatis "Data-parallel training of denoising diffusion models on CPUs"

# The module knows where it is, so that the installation can be moved.
set prefix [file normalize [file join [file dirname $ModulesCurrentModulefile] .. .. ..]]

setenv DDPM_DIST_ROOT $prefix
prepend-path PATH $prefix/bin
# An empty entry stands for the system's own pages.
append-path MANPATH ""
prepend-path MANPATH $prefix/share/man

# What Tab offers. bash and fish read a file now, zsh looks into folders.
switch -- [module-info shell] {
  zsh { prepend-path FPATH $prefix/share/zsh/site-functions }
  bash {
    if {[module-info mode load]} {
      foreach program {ddpm-dist ddpm-sample} {
        puts stdout "source '$prefix/share/bash-completion/completions/$program';"
      }
    } elseif {[module-info mode unload]} {
      puts stdout "complete -r ddpm-dist ddpm-sample;"
    }
  }
  fish {
    if {[module-info mode load]} {
      foreach program {ddpm-dist ddpm-sample} {
        puts stdout "source '$prefix/share/fish/vendor_completions.d/$program.fish';"
      }
    }
  }
}
