#include "cli/arguments.hpp"
#include "cli/commands.hpp"

#include <memory>

namespace assay::cli {

namespace {

/// The words that may follow a command.
struct completion_entry {
  std::string path; ///< "" for the program itself, "store prune", ...
  std::vector<std::pair<std::string, std::string>> commands; ///< Name and description.
  std::vector<std::pair<std::string, std::string>> options;
};

void collect(const CLI::App& app, const std::string& path, std::vector<completion_entry>& out) {
  completion_entry entry{path, {}, {}};
  const auto subs = app.get_subcommands([](const CLI::App*) { return true; });
  for (const auto* sub : subs)
    entry.commands.emplace_back(sub->get_name(), sub->get_description());
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames())
      // Each flag once, with dashes.
      if (name.find('_') == std::string::npos)
        entry.options.emplace_back("--" + name, option->get_description());
  out.push_back(std::move(entry));
  for (const auto* sub : subs)
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), out);
}

std::string words(const completion_entry& entry, const completion_entry& root) {
  std::string out;
  for (const auto* list : {&entry.commands, &entry.options})
    for (const auto& [name, text] : *list)
      out += name + " ";
  if (!entry.path.empty())
    for (const auto& [name, text] : root.options)
      out += name + " ";
  return out;
}

std::string bash_script(const std::vector<completion_entry>& entries) {
  std::string cases;
  for (const auto& entry : entries)
    cases += "    \"" + entry.path + "\") words=\"" + words(entry, entries.front()) + "\" ;;\n";
  return "# assay's completion for bash: source <(assay completion bash)\n"
         "_assay() {\n"
         "  local path=\"\" word words=\"\" i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    word=\"${COMP_WORDS[i]}\"\n"
         "    [[ $word == -* ]] && continue\n"
         "    case \" $_assay_paths \" in\n"
         "      *\" ${path:+${path// /.}.}$word \"*) path=\"${path:+$path }$word\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$path\" in\n"
         + cases
         + "  esac\n"
           "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
           "  [[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "
           "\"${COMP_WORDS[COMP_CWORD]}\")\n"
           "}\n";
}

/// "run serve store.prune ...": how the bash script knows command names from values.
std::string known_paths(const std::vector<completion_entry>& entries) {
  std::string out;
  for (const auto& entry : entries) {
    auto path = entry.path;
    for (auto& c : path)
      c = c == ' ' ? '.' : c;
    if (!path.empty())
      out += (out.empty() ? "" : " ") + path;
  }
  return out;
}

std::string quoted(std::string text) {
  std::string out;
  for (const char c : text.substr(0, text.find('\n')))
    out += c == '\'' ? std::string("\\'") : c == '\\' ? std::string("\\\\") : std::string(1, c);
  return "'" + out + "'";
}

std::string fish_script(const std::vector<completion_entry>& entries) {
  std::string out = "# assay's completion for fish: assay completion fish | source\ncomplete -c assay -f\n";
  for (const auto& entry : entries) {
    const auto condition =
        entry.path.empty() ? std::string("__fish_use_subcommand")
                           : "__fish_seen_subcommand_from " + entry.path.substr(entry.path.rfind(' ') + 1);
    for (const auto& [name, text] : entry.commands)
      out += "complete -c assay -n '" + condition + "' -a " + name + " -d " + quoted(text) + "\n";
    for (const auto& [name, text] : entry.options)
      out += "complete -c assay " + (entry.path.empty() ? std::string{} : "-n '" + condition + "' ") + "-l "
             + name.substr(2) + " -d " + quoted(text) + "\n";
  }
  return out;
}

/// bash's script works in zsh through bashcompinit.
std::string zsh_script(const std::string& bash) {
  return "#compdef assay\n# assay's completion for zsh: source <(assay completion zsh)\n"
         "autoload -Uz bashcompinit && bashcompinit\n"
         + bash;
}

exit_code complete(command_context& context, const std::string& shell) {
  command_context unused;
  unused.err = context.err;
  CLI::App app;
  add_all_commands(app, unused);
  std::vector<completion_entry> entries;
  collect(app, "", entries);
  if (shell == "fish") {
    print(fish_script(entries));
    return exit_code::ok;
  }
  auto script = "_assay_paths=\"" + known_paths(entries) + "\"\n" + bash_script(entries);
  // mapfile is bash's; zsh's completion fills the array itself.
  if (shell == "zsh") {
    for (const std::string from : {"mapfile -t COMPREPLY < <(compgen"})
      for (auto found = script.find(from); found != std::string::npos; found = script.find(from))
        script.replace(found, from.size(), "COMPREPLY=($(compgen");
    for (const std::string from : {"\"${COMP_WORDS[COMP_CWORD]}\")\n"})
      for (auto found = script.find(from); found != std::string::npos;
           found = script.find(from, found + from.size()))
        script.replace(found, from.size(), "\"${COMP_WORDS[COMP_CWORD]}\"))\n");
    script = zsh_script(script);
  }
  print(script + "complete -F _assay assay\n");
  return exit_code::ok;
}

} // namespace

void add_completion_command(CLI::App& app, command_context& context) {
  const auto shell = std::make_shared<std::string>();
  auto* sub = app.add_subcommand("completion", "Print a shell's completion script");
  sub->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  examples(
      *sub,
      "  source <(assay completion bash)\n  assay completion fish > ~/.config/fish/completions/assay.fish\n");
  sub->callback(
      [&context, shell] { context.action = [shell](command_context& c) { return complete(c, *shell); }; });
}

} // namespace assay::cli
