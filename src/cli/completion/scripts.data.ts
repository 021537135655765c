// What `completion SHELL` prints. Each script asks the hidden verb `complete`, so that verbs, options and the names of VMs,
// scopes and alarms come from one place; candidates are quoted by the shell, since a VM may have any name.

export const shells = ['bash', 'zsh', 'fish'] as const;
export type ShellName = (typeof shells)[number];

export const completionScripts: Readonly<Record<ShellName, string>> = {
  bash: `# Completion for plumbline: source <(plumbline completion bash)
_plumbline() {
  local value _says
  COMPREPLY=()
  while IFS=$'\\t' read -r value _says; do
    COMPREPLY+=("$(printf '%q' "$value")")
  done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _plumbline plumbline`,

  zsh: `#compdef plumbline
# Completion for plumbline: source <(plumbline completion zsh), or keep it as _plumbline in a directory of $fpath
_plumbline() {
  local -a candidates
  local value says
  while IFS=$'\\t' read -r value says; do
    candidates+=("\${value//:/\\\\:}\${says:+:$says}")
  done < <("\${(Q)words[1]}" complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#candidates} )); then _describe plumbline candidates; else _files; fi
}
if [[ "$funcstack[1]" == _plumbline ]]; then _plumbline "$@"; else compdef _plumbline plumbline; fi`,

  fish: `# Completion for plumbline: plumbline completion fish | source
function __plumbline_complete
    set -l words (commandline -opc)
    set -l current "$(commandline -ct)"
    set -l candidates ($words[1] complete -- $words[2..-1] $current 2>/dev/null)
    if test (count $candidates) -gt 0
        printf '%s\\n' $candidates
    else
        __fish_complete_path $current
    end
end
complete -c plumbline -f -a '(__plumbline_complete)'`,
};
