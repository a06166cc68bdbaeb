-- The module of an installation for Lmod: installed as PREFIX/share/modulefiles/ddpm-dist/VERSION.lua.

help([[
Trains denoising diffusion models on the CPUs of a cluster. Load Open MPI 4 or 5 first.
  mpirun -n 8 ddpm-dist train
  man ddpm-dist
]])
whatis("Name: ddpm-dist")
whatis("Version: " .. myModuleVersion())
whatis("Description: Data-parallel training of denoising diffusion models on CPUs")

-- The module knows where it is, so that the installation can be moved.
local prefix = myFileName():gsub("/share/modulefiles/[^/]*/[^/]*$", "")

setenv("DDPM_DIST_ROOT", prefix)
prepend_path("PATH", pathJoin(prefix, "bin"))
-- An empty entry stands for the system's own pages.
append_path("MANPATH", "")
prepend_path("MANPATH", pathJoin(prefix, "share/man"))

-- What Tab offers. bash and fish read a file now, zsh looks into folders.
local shell = myShellName()
if shell == "zsh" then
  prepend_path("FPATH", pathJoin(prefix, "share/zsh/site-functions"))
elseif shell == "bash" or shell == "fish" then
  local files = {
    bash = { "bash-completion/completions/ddpm-dist", "bash-completion/completions/ddpm-sample" },
    fish = { "fish/vendor_completions.d/ddpm-dist.fish", "fish/vendor_completions.d/ddpm-sample.fish" },
  }
  for _, file in ipairs(files[shell]) do
    execute { cmd = "source '" .. pathJoin(prefix, "share", file) .. "'", modeA = { "load" } }
  end
  if shell == "bash" then
    execute { cmd = "complete -r ddpm-dist ddpm-sample", modeA = { "unload" } }
  end
end
