#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "config/models.hpp"
#include "storage/snapshot.hpp"

#include <algorithm>
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

/// Which words of some commands are names that `assay completion KIND` lists.
struct completed_value {
  std::string kind;
  std::vector<std::string> commands;
  std::vector<std::string> options; ///< After one of these; none: the command's own argument.
};

const std::vector<completed_value>& completed_values() {
  static const std::vector<completed_value> all{
      {"tasks", {"run"}, {"-t", "--task", "--tasks"}},
      {"models", {"run", "runs", "results", "results list"}, {"-m", "--model", "--models"}},
      {"tasks", {"tasks show"}, {}},
      {"models", {"models show"}, {}},
      {"runs",
       {"results", "results show", "show", "export", "report", "compare", "gate", "watch", "pause", "resume",
        "cancel", "retry", "rescore"},
       {}},
  };
  return all;
}

/// Adds `"COMMAND:BEFORE"` to the patterns of a shell's `case`.
void add_pattern(std::string& patterns, const std::string& one) {
  patterns += (patterns.empty() ? "" : "|") + one;
}

/// The cases of the shell's `case`: what may stand at the cursor, by the command and the word before.
std::string value_cases() {
  std::string out;
  for (const auto& value : completed_values()) {
    std::string patterns;
    for (const auto& command : value.commands) {
      for (const auto& option : value.options)
        add_pattern(patterns, "\"" + command + ":" + option + "\"");
      // Behind an option stands its value, not the command's argument.
      if (value.options.empty())
        add_pattern(patterns, "\"" + command + ":\"[!-]*");
    }
    out += "    " + patterns + ") " + (value.options.empty() ? "[[ $cur == -* ]] || " : "words=\"\"; ")
           + "kind=" + value.kind + " ;;\n";
  }
  return out;
}

/// In bash words go through mapfile, which keeps what the shell would expand; zsh has none.
std::string assigned(bool zsh, const std::string& command) {
  return zsh ? "COMPREPLY=($(" + command + "))" : "mapfile -t COMPREPLY < <(" + command + ")";
}

/// The function of bash and, through bashcompinit, of zsh.
std::string function_text(const std::vector<completion_entry>& entries, bool zsh) {
  std::string cases;
  for (const auto& entry : entries)
    cases += "    \"" + entry.path + "\") words=\"" + words(entry, entries.front()) + "\" ;;\n";
  return "_assay() {\n"
         "  local at=\"\" word words=\"\" kind=\"\" list=\"\" head=\"\" i\n"
         "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    word=\"${COMP_WORDS[i]}\"\n"
         "    [[ $word == -* ]] && continue\n"
         "    case \" $_assay_paths \" in\n"
         "      *\" ${at:+${at// /.}.}$word \"*) at=\"${at:+$at }$word\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$at\" in\n"
         + cases
         + "  esac\n"
           "  case \"$at:$before\" in\n"
         + value_cases()
         + "  esac\n"
           "  if [[ -n $kind ]]; then\n"
           "    list=\"$(\"${COMP_WORDS[0]}\" completion \"$kind\" 2>/dev/null)\"\n"
           "    # Of a list with commas, the last word is meant.\n"
           "    [[ $cur == *,* ]] && head=\"${cur%,*},\" && cur=\"${cur##*,}\"\n"
           "  fi\n"
           "  "
         + assigned(zsh, "compgen -P \"$head\" -W \"$words $list\" -- \"$cur\"")
         + "\n"
           "  [[ ${#COMPREPLY[@]} -gt 0 ]] || "
         + assigned(zsh, "compgen -P \"$head\" -f -- \"$cur\"")
         + "\n"
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

bool holds(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// How fish asks for the values of a command's option, or of its own argument; empty where there are none.
std::string fish_values(const std::string& command, const std::string& option) {
  for (const auto& value : completed_values())
    if (holds(value.commands, command)
        && (option.empty() ? value.options.empty() : holds(value.options, option)))
      return option.empty() ? "(assay completion " + value.kind + ")"
                            : "(__fish_append , (assay completion " + value.kind + "))";
  return {};
}

std::string fish_script(const std::vector<completion_entry>& entries) {
  std::string out = "# assay's completion for fish: assay completion fish | source\ncomplete -c assay -f\n";
  for (const auto& entry : entries) {
    const auto last = entry.path.substr(entry.path.rfind(' ') + 1);
    const auto parent = entry.path.substr(0, std::min(entry.path.find(' '), entry.path.size()));
    auto condition =
        entry.path.empty() ? std::string("__fish_use_subcommand") : "__fish_seen_subcommand_from " + last;
    if (parent != last)
      condition = "__fish_seen_subcommand_from " + parent + "; and " + condition;
    for (const auto& [name, text] : entry.commands)
      out += "complete -c assay -n '" + condition + "' -a " + name + " -d " + quoted(text) + "\n";
    if (const auto values = fish_values(entry.path, {}); !values.empty())
      out += "complete -c assay -n '" + condition + "' -a '" + values + "'\n";
    for (const auto& [name, text] : entry.options) {
      const auto values = fish_values(entry.path, name);
      // -t stands for --tasks, -m for --model.
      const std::string letter = name == "--tasks" ? " -s t" : name == "--model" ? " -s m" : "";
      out += "complete -c assay " + (entry.path.empty() ? std::string{} : "-n '" + condition + "' ") + "-l "
             + name.substr(2) + (values.empty() ? "" : letter + " -x -a '" + values + "'") + " -d "
             + quoted(text) + "\n";
    }
  }
  return out;
}

void print_words(const std::vector<std::string>& all) {
  for (const auto& word : all)
    print(word + "\n");
}

result<std::vector<std::string>> run_words(const config::settings& settings) {
  constexpr size_t most = 50;
  const auto store = open_store_read_only(settings);
  if (!store)
    return store.error();
  auto view = storage::snapshot::open(*store);
  if (!view)
    return view.error();
  storage::run_query query;
  query.limit = most;
  const auto page = view->list_summaries(query);
  if (!page)
    return page.error();
  std::vector<std::string> out{"last"};
  for (const auto& run : page->runs)
    out.push_back(to_string(run.run));
  return out;
}

/// Prints what the scripts offer, a word a line.
exit_code list_words(command_context& context, const std::string& kind) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  std::vector<std::string> out;
  if (kind == "tasks") {
    const auto catalogue = load_tasks(context, *settings);
    for (const auto& task : catalogue->list())
      out.push_back(task->id.value);
    for (auto& group : catalogue->group_names())
      out.push_back(std::move(group));
  } else if (kind == "models") {
    for (const auto& model : config::available_models(*settings))
      out.push_back(model.id.value);
  } else {
    auto runs = run_words(*settings);
    if (!runs)
      return report(context, runs.error());
    out = std::move(*runs);
  }
  print_words(out);
  return exit_code::ok;
}

exit_code complete(command_context& context, const std::string& shell) {
  if (shell == "tasks" || shell == "models" || shell == "runs")
    return list_words(context, shell);
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
  const bool zsh = shell == "zsh";
  print(zsh ? "#compdef assay\n# assay's completion for zsh: source <(assay completion zsh)\n"
              "autoload -Uz bashcompinit && bashcompinit\n"
            : "# assay's completion for bash: source <(assay completion bash)\n");
  print("_assay_paths=\"" + known_paths(entries) + "\"\n" + function_text(entries, zsh)
        + "complete -F _assay assay\n");
  return exit_code::ok;
}

} // namespace

void add_completion_command(CLI::App& app, command_context& context) {
  const auto shell = std::make_shared<std::string>();
  auto* sub = app.add_subcommand("completion", "Print a shell's completion script");
  sub->add_option("SHELL", *shell,
                  "bash, zsh or fish; tasks, models or runs list the names that the scripts offer")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish", "tasks", "models", "runs"}));
  examples(
      *sub,
      "  source <(assay completion bash)\n  assay completion fish > ~/.config/fish/completions/assay.fish\n");
  sub->callback(
      [&context, shell] { context.action = [shell](command_context& c) { return complete(c, *shell); }; });
}

} // namespace assay::cli
