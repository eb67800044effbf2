#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/config_backend.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "cli/local_configs.hpp"
#include "cli/stored_keys.hpp"
#include "config/scalars.hpp"
#include "config/tree.hpp"
#include "core/configurations/optimized.hpp"
#include "core/configurations/stored_configuration.hpp"

#include <nlohmann/json.hpp>

#include <memory>

namespace assay::cli {

namespace {

using nlohmann::json;

struct config_flags {
  api_flags api;
  std::string id;
  std::vector<std::string> values; ///< KEY=VALUE
  std::string file;
  std::string out;
  std::optional<uint64_t> version;
  std::optional<uint64_t> if_version;
  bool dry_run = false;
  std::string task_type;
  std::string strategy = "balanced";
};

class remote_configs final : public config_backend {
public:
  explicit remote_configs(api_client api) : api_(std::move(api)) {}

  std::optional<fault> list(json& out) override {
    out = json::array();
    constexpr size_t page_size = 1'000;
    for (size_t page = 1;; ++page) {
      json answer;
      if (auto refused = api_.ask(
              "GET", "/model-configs?limit=" + std::to_string(page_size) + "&page=" + std::to_string(page),
              nullptr, answer))
        return refused;
      const auto items = answer.value("items", json::array());
      out.insert(out.end(), items.begin(), items.end());
      if (items.size() < page_size)
        return std::nullopt;
    }
  }
  std::optional<fault> show(const std::string& id, uint64_t version, json& out) override {
    return api_.ask("GET", path_of(id) + (version == 0 ? "" : "?version=" + std::to_string(version)), nullptr,
                    out);
  }
  std::optional<fault> put(const std::string& id, const json& fields, std::optional<uint64_t> if_version,
                           json& out) override {
    return api_.ask("PUT", path_of(id), {{"configuration", fields}}, out, match(if_version));
  }
  std::optional<fault> erase(const std::string& id, std::optional<uint64_t> if_version, json& out) override {
    return api_.ask("DELETE", path_of(id), nullptr, out, match(if_version));
  }
  std::optional<fault> history(const std::string& id, json& out) override {
    out = json::array();
    std::string before = "0";
    while (true) {
      json answer;
      if (auto refused =
              api_.ask("GET", path_of(id) + "/history?limit=100&before=" + before, nullptr, answer))
        return refused;
      const auto items = answer.value("items", json::array());
      out.insert(out.end(), items.begin(), items.end());
      const auto next = answer.find("next_before");
      if (next == answer.end() || !next->is_number_unsigned() || items.empty())
        return std::nullopt;
      before = std::to_string(next->get<uint64_t>());
    }
  }
  std::optional<fault> export_yaml(const std::string& id, std::string& out) override {
    return api_.download("/model-configs/export" + (id.empty() ? "" : "?model_id=" + id), out);
  }
  std::optional<fault> import_yaml(const std::string& text, const std::string&, bool dry_run,
                                   json& out) override {
    return api_.ask("POST", "/model-configs/import", {{"yaml", text}, {"dry_run", dry_run}}, out);
  }
  std::optional<fault> optimized(const std::string& id, const std::string& task_type,
                                 const std::string& strategy, json& out) override {
    return api_.ask("GET", path_of(id) + "/optimized?task_type=" + task_type + "&strategy=" + strategy,
                    nullptr, out);
  }

private:
  static std::string path_of(const std::string& id) { return "/model-configs/" + id; }
  static std::vector<std::pair<std::string, std::string>> match(std::optional<uint64_t> version) {
    if (!version)
      return {};
    return {{"If-Match", '"' + std::to_string(*version) + '"'}};
  }

  const api_client api_;
};

result<std::unique_ptr<config_backend>> open_backend(const command_context& context,
                                                     const config_flags& flags) {
  auto settings = load_settings(context);
  if (!settings)
    return settings.error();
  if (means_server(*settings, flags.api)) {
    auto api = api_client::connect(*settings, flags.api);
    if (!api)
      return api.error();
    return std::unique_ptr<config_backend>(std::make_unique<remote_configs>(std::move(*api)));
  }
  if (auto joined = join_stored_keys(*settings); !joined)
    return joined.error();
  return make_local_configs(std::make_shared<const config::settings>(std::move(*settings)));
}

/// Names go into paths as they are.
result<void> check_id(const config_flags& flags) {
  auto good = configurations::check_name(flags.id);
  if (good)
    return {};
  auto reason = good.error();
  reason.where = "ID";
  return reason;
}

std::string text_in(const json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end() || found->is_null())
    return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

void tell_notes(const command_context& context, const json& answer) {
  for (const auto& note : answer.value("notes", json::array()))
    remark(context, "note: " + note.get<std::string>());
}

exit_code print_json(const json& value) {
  print(value.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  return exit_code::ok;
}

// -- reading -----------------------------------------------------------------------------------------------

exit_code list_configs(command_context& context, const config_flags& flags) {
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json all;
  if (auto refused = (*backend)->list(all))
    return report(context, *refused);
  if (context.flags.json)
    return print_json({{"model_configs", all}});
  table rows({{"model", align::left, squeeze::whole},
              {"type"},
              {"temperature", align::right},
              {"max tokens", align::right},
              {"version", align::right},
              {"changed"},
              {"by"}});
  for (const auto& one : all) {
    const auto fields = one.value("configuration", json::object());
    const auto* type = fields.contains("model_type") ? "model_type" : "provider";
    rows.add({text_in(one, "model_id"), text_in(fields, type), text_in(fields, "temperature"),
              text_in(fields, "max_tokens"), text_in(one, "version"), text_in(one, "updated_at"),
              text_in(one, "updated_by")});
  }
  print(all.empty() ? "no model configuration is stored\n" : rows.render(context.out));
  return exit_code::ok;
}

exit_code show_config(command_context& context, const config_flags& flags) {
  if (auto good = check_id(flags); !good)
    return report(context, good.error());
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json one;
  if (auto refused = (*backend)->show(flags.id, flags.version.value_or(0), one))
    return report(context, *refused);
  return print_json(one);
}

exit_code show_history(command_context& context, const config_flags& flags) {
  if (auto good = check_id(flags); !good)
    return report(context, good.error());
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json versions;
  if (auto refused = (*backend)->history(flags.id, versions))
    return report(context, *refused);
  if (context.flags.json)
    return print_json({{"model_id", flags.id}, {"versions", versions}});
  table rows({{"version", align::right}, {"action"}, {"at"}, {"by"}, {"what changed"}});
  for (const auto& one : versions) {
    std::string changes;
    for (const auto& change : one.value("changes", json::array()))
      changes += (changes.empty() ? "" : ", ") + text_in(change, "field") + ": " + text_in(change, "before")
                 + " -> " + text_in(change, "after");
    rows.add(
        {text_in(one, "version"), text_in(one, "action"), text_in(one, "at"), text_in(one, "by"), changes});
  }
  print(rows.render(context.out));
  return exit_code::ok;
}

exit_code show_optimized(command_context& context, const config_flags& flags) {
  if (auto good = check_id(flags); !good)
    return report(context, good.error());
  if (!is_caller_id(flags.task_type))
    return report(context, {errc::invalid_argument, "is no type of task", "--task-type",
                            "for example code_completion, function_generation or bug_fix"});
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json found;
  if (auto refused = (*backend)->optimized(flags.id, flags.task_type, flags.strategy, found))
    return report(context, *refused);
  if (context.flags.json)
    return print_json(found);
  table rows({{"parameter", align::left, squeeze::whole},
              {"value", align::right},
              {"configured", align::right},
              {"source"},
              {"reason"}});
  const auto values = found.value("values", json::object());
  for (const auto& [name, value] : values.items())
    rows.add({name, text_in(value, "value"), text_in(value, "configured"), text_in(value, "source"),
              text_in(value, "reason")});
  print(rows.render(context.out));
  tell_notes(context, found);
  return exit_code::ok;
}

exit_code export_configs(command_context& context, const config_flags& flags) {
  if (!flags.id.empty())
    if (auto good = check_id(flags); !good)
      return report(context, good.error());
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  std::string text;
  if (auto refused = (*backend)->export_yaml(flags.id, text))
    return report(context, *refused);
  if (flags.out.empty()) {
    print(text);
    return exit_code::ok;
  }
  if (auto written = write_file_atomically(flags.out, text); !written)
    return report(context, written.error());
  remark(context, "written to " + flags.out);
  return exit_code::ok;
}

// -- changing ----------------------------------------------------------------------------------------------

/// Numbers, truth values, null, lists, groups and texts in quotes are JSON; everything else is a text.
json value_of(const std::string& text) {
  auto parsed = json::parse(text, nullptr, false);
  return parsed.is_discarded() ? json(text) : parsed;
}

/// Sets `task_optimizations.bug_fix.temperature`; null takes the field away.
std::optional<fault> set_field(json& fields, const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    return fault{errc::invalid_argument, "'" + assignment + "' is no KEY=VALUE", "KEY=VALUE",
                 "for example temperature=0.2"};
  auto* here = &fields;
  std::string_view path = std::string_view(assignment).substr(0, equals);
  while (true) {
    const auto dot = path.find('.');
    const std::string name(path.substr(0, dot));
    if (!here->is_object())
      return fault{errc::invalid_argument, "there is no group of fields", assignment.substr(0, equals), {}};
    if (dot == std::string_view::npos) {
      auto value = value_of(assignment.substr(equals + 1));
      if (value.is_null())
        here->erase(name);
      else
        (*here)[name] = std::move(value);
      return std::nullopt;
    }
    auto& below = (*here)[name];
    if (below.is_null())
      below = json::object();
    here = &below;
    path.remove_prefix(dot + 1);
  }
}

/// The fields of one configuration, YAML or JSON. @param out An out parameter, since json converts from
/// values and faults alike.
std::optional<fault> read_fields(const std::string& file, json& out) {
  const auto text = read_file(file, configurations::most_configuration_bytes * 4);
  if (!text)
    return text.error();
  const auto tree = config::parse_yaml(*text, file);
  if (!tree)
    return tree.error();
  if (tree->find("models") != nullptr)
    return fault{errc::invalid_argument, "the file has several models", file,
                 "`assay configs import` takes it"};
  out = config::to_json_value(*tree);
  return std::nullopt;
}

exit_code set_config(command_context& context, const config_flags& flags) {
  if (auto good = check_id(flags); !good)
    return report(context, good.error());
  if (flags.values.empty() && flags.file.empty())
    return report(context, {errc::invalid_argument, "nothing is to be set", "KEY=VALUE",
                            "give temperature=0.2, or a file with --file"});
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json fields = json::object();
  auto if_version = flags.if_version;
  if (!flags.file.empty()) {
    if (auto wrong = read_fields(flags.file, fields))
      return report(context, *wrong);
  } else {
    json present;
    const auto refused = (*backend)->show(flags.id, 0, present);
    if (refused && refused->code != errc::not_found)
      return report(context, *refused);
    if (!refused) {
      fields = present.value("configuration", json::object());
      // What was read is changed, and nothing else.
      if (!if_version)
        if_version = present.value("version", uint64_t{0});
    }
  }
  for (const auto& one : flags.values)
    if (auto wrong = set_field(fields, one))
      return report(context, *wrong);
  json done;
  if (auto refused = (*backend)->put(flags.id, fields, if_version, done))
    return report(context, *refused);
  if (context.flags.json)
    return print_json(done);
  print(flags.id + " is at version " + text_in(done, "version") + "\n");
  tell_notes(context, done);
  return exit_code::ok;
}

exit_code delete_config(command_context& context, const config_flags& flags) {
  if (auto good = check_id(flags); !good)
    return report(context, good.error());
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json done;
  if (auto refused = (*backend)->erase(flags.id, flags.if_version, done))
    return report(context, *refused);
  if (context.flags.json)
    return print_json(done);
  remark(context, "deleted " + flags.id + "; its history stays");
  return exit_code::ok;
}

exit_code import_configs(command_context& context, const config_flags& flags) {
  const auto text = read_file(flags.file, size_t{4} << 20);
  if (!text)
    return report(context, text.error());
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json done;
  if (auto refused = (*backend)->import_yaml(*text, flags.file, flags.dry_run, done))
    return report(context, *refused);
  if (context.flags.json)
    return print_json(done);
  const auto told = [&](const char* name, const char* word) {
    for (const auto& id : done.value(name, json::array()))
      print(id.get<std::string>() + " " + (flags.dry_run ? "would be " : "") + word + "\n");
  };
  told("created", "created");
  told("updated", "updated");
  for (const auto& id : done.value("unchanged", json::array()))
    print(id.get<std::string>() + " is unchanged\n");
  tell_notes(context, done);
  return exit_code::ok;
}

// -- the command line --------------------------------------------------------------------------------------

using config_action = exit_code (*)(command_context&, const config_flags&);

CLI::App* declare(CLI::App& parent, command_context& context, const std::shared_ptr<config_flags>& flags,
                  const char* name, const char* text, const char* lines, config_action action) {
  auto* sub = parent.add_subcommand(name, text);
  add_api_flags(*sub, flags->api);
  examples(*sub, lines);
  sub->callback([&context, flags, action] {
    context.action = [flags, action](command_context& c) { return action(c, *flags); };
  });
  return sub;
}

void add_version_flag(CLI::App& sub, std::optional<uint64_t>& into, const char* name, const char* text) {
  sub.add_option_function<uint64_t>(
         name, [&into](const uint64_t& value) { into = value; }, text)
      ->check(any_of_type<uint64_t>());
}

void add_changing(CLI::App& sub, command_context& context, const std::shared_ptr<config_flags>& flags) {
  auto* set = declare(sub, context, flags, "set", "Change fields of a configuration, or store a new one",
                      "  assay configs set haiku-cold model_type=anthropic_claude model=claude-3-haiku "
                      "temperature=0.1\n"
                      "  assay configs set haiku-cold task_optimizations.bug_fix.max_tokens=1024 top_p=null\n"
                      "  assay configs set haiku-cold --file haiku.yaml\n",
                      set_config);
  set->add_option("ID", flags->id, "The configuration; evaluations name it as their model")->required();
  set->add_option("FIELDS", flags->values,
                  "KEY=VALUE, keys of model_configs.yaml with dots; null takes one away");
  set->add_option("-f,--file", flags->file, "All fields, YAML or JSON; replaces what was there");
  add_version_flag(*set, flags->if_version, "--if-version", "Only when this is the present version");

  auto* erase = declare(sub, context, flags, "delete", "Delete a configuration; its history stays",
                        "  assay configs delete haiku-cold\n", delete_config);
  erase->add_option("ID", flags->id, "The configuration")->required();
  add_version_flag(*erase, flags->if_version, "--if-version", "Only when this is the present version");

  auto* import = declare(sub, context, flags, "import", "Store all models of a model_configs.yaml",
                         "  assay configs import model_configs.yaml --dry-run\n", import_configs);
  import->add_option("FILE", flags->file, "In the shape of model_configs.yaml")->required();
  import->add_flag("--dry-run", flags->dry_run, "Only say what would be stored");
}

} // namespace

void add_configs_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<config_flags>();
  auto* sub = app.add_subcommand(
      "configs", "Stored model configurations: through a running server, or in the data folder");
  sub->require_subcommand(0, 1);
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay configs\n  assay configs import model_configs.yaml\n"
                 "  assay configs set claude-3-haiku temperature=0.2\n"
                 "  assay configs optimized claude-3-haiku --task-type code_completion --strategy cost\n");
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) { return list_configs(c, *flags); };
  });
  declare(*sub, context, flags, "list", "All configurations", "  assay configs list --json\n", list_configs);
  auto* show = declare(*sub, context, flags, "show", "One configuration, or an earlier version of it",
                       "  assay configs show claude-3-haiku --version 2\n", show_config);
  show->add_option("ID", flags->id, "The configuration")->required();
  add_version_flag(*show, flags->version, "--version", "This version instead of the present one");
  auto* history = declare(*sub, context, flags, "history", "Every version: who, when, what changed",
                          "  assay configs history claude-3-haiku\n", show_history);
  history->add_option("ID", flags->id, "The configuration")->required();
  auto* optimized = declare(
      *sub, context, flags, "optimized",
      "The configuration as it suits a type of task and a strategy, with the reasons",
      "  assay configs optimized claude-3-haiku --task-type bug_fix --strategy quality\n", show_optimized);
  optimized->add_option("ID", flags->id, "The configuration, or any other model")->required();
  optimized->add_option("--task-type,--task_type", flags->task_type, "code_completion, bug_fix, ...")
      ->required();
  optimized->add_option("--strategy", flags->strategy, "performance, cost, quality, balanced or latency")
      ->check(CLI::IsMember(configurations::optimization_strategy_names(), CLI::ignore_case))
      ->capture_default_str();
  auto* exported = declare(*sub, context, flags, "export", "Print configurations as a model_configs.yaml",
                           "  assay configs export --out model_configs.yaml\n", export_configs);
  exported->add_option("ID", flags->id, "Only this one");
  exported->add_option("-o,--out", flags->out, "Into this file");
  add_changing(*sub, context, flags);
}

} // namespace assay::cli
