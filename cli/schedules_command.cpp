#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "core/values/ids.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace assay::cli {

namespace {

using nlohmann::json;

struct schedule_flags {
  api_flags api;
  std::string id;
  std::string file;
  std::string cron;
  std::string timezone;
};

std::string text_in(const json& from, const char* key) {
  const auto found = from.find(key);
  return found != from.end() && found->is_string() ? on_one_line(found->get<std::string>()) : "";
}

/// An id that could be something else in a path is none.
std::optional<fault> wrong_id(const std::string& id) {
  if (is_caller_id(id))
    return std::nullopt;
  return fault{errc::invalid_argument, "'" + id + "' is no id of a schedule", "ID",
               "1 to 128 of letters, digits, . _ -"};
}

/// Asks the server and hands its answer to @p show, unless --json wants it as it is.
template <class Show>
exit_code ask(const command_context& context, const schedule_flags& flags, const std::string& method,
              const std::string& path, const json& body, Show show) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto api = api_client::connect(*settings, flags.api);
  if (!api)
    return report(context, api.error());
  json answer;
  if (auto refused = api->ask(method, path, body, answer))
    return report(context, *refused);
  if (context.flags.json)
    print(answer.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  else
    show(answer);
  return exit_code::ok;
}

std::string path_of(const schedule_flags& flags, const char* rest = "") {
  return "/schedules/" + flags.id + rest;
}

void show_state(const json& one) {
  const auto next = text_in(one, "next_at");
  print(text_in(one, "schedule_id") + ": " + text_in(one, "cron") + " " + text_in(one, "timezone") + ", "
        + (next.empty() ? "paused" : "next at " + next) + "\n");
}

/// What a file says, with the flags over it, as JSON text.
result<std::string> written(const schedule_flags& flags) {
  json out = json::object();
  if (!flags.file.empty()) {
    const auto text = read_file(flags.file);
    if (!text)
      return text.error();
    out = json::parse(*text, nullptr, false);
    if (!out.is_object())
      return fault{errc::malformed_input, "is no JSON object", flags.file, {}};
  }
  if (!flags.cron.empty())
    out["cron"] = flags.cron;
  if (!flags.timezone.empty())
    out["timezone"] = flags.timezone;
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

exit_code create(command_context& context, const schedule_flags& flags) {
  const auto body = written(flags);
  if (!body)
    return report(context, body.error());
  return ask(context, flags, "POST", "/schedules", json::parse(*body), show_state);
}

exit_code update(command_context& context, const schedule_flags& flags) {
  const auto body = written(flags);
  if (!body)
    return report(context, body.error());
  return ask(context, flags, "PUT", path_of(flags), json::parse(*body), show_state);
}

exit_code list(command_context& context, const schedule_flags& flags) {
  return ask(context, flags, "GET", "/schedules?limit=100", nullptr, [&](const json& answer) {
    table out({{"SCHEDULE"}, {"CRON"}, {"TIME ZONE"}, {"NEXT"}, {"LAST"}, {"OWNER"}});
    for (const auto& one : answer.value("items", json::array())) {
      const auto last = one.value("last", json());
      const auto next = text_in(one, "next_at");
      out.add({text_in(one, "schedule_id"), text_in(one, "cron"), text_in(one, "timezone"),
               next.empty() ? "paused" : next, last.is_object() ? text_in(last, "due_at") : "",
               text_in(one, "owner")});
    }
    print(out.render(context.out, context.out.columns));
  });
}

exit_code show(command_context& context, const schedule_flags& flags) {
  return ask(context, flags, "GET", path_of(flags), nullptr, [&](const json& answer) {
    show_state(answer);
    table out({{"DUE"}, {"EVALUATION"}, {"ERROR"}});
    for (const auto& one : answer.value("history", json::array()))
      out.add({text_in(one, "due_at"), text_in(one, "evaluation_id"), text_in(one, "error")});
    print(out.render(context.out, context.out.columns));
  });
}

exit_code pause(command_context& context, const schedule_flags& flags) {
  return ask(context, flags, "POST", path_of(flags, "/pause"), nullptr, show_state);
}

exit_code resume(command_context& context, const schedule_flags& flags) {
  return ask(context, flags, "POST", path_of(flags, "/resume"), nullptr, show_state);
}

exit_code run_now(command_context& context, const schedule_flags& flags) {
  return ask(context, flags, "POST", path_of(flags, "/run"), nullptr, [&](const json& answer) {
    const auto last = answer.value("last", json::object());
    print(text_in(last, "evaluation_id") + text_in(last, "error") + "\n");
  });
}

exit_code erase(command_context& context, const schedule_flags& flags) {
  return ask(context, flags, "DELETE", path_of(flags), nullptr,
             [&](const json&) { print("deleted " + flags.id + "\n"); });
}

using schedule_action = exit_code (*)(command_context&, const schedule_flags&);

CLI::App* declare(CLI::App& parent, command_context& context, const std::shared_ptr<schedule_flags>& flags,
                  const char* name, const char* text, const char* lines, schedule_action action,
                  bool named = true) {
  auto* sub = parent.add_subcommand(name, text);
  if (named)
    sub->add_option("ID", flags->id, "The schedule")->required();
  add_api_flags(*sub, flags->api);
  examples(*sub, lines);
  sub->callback([&context, flags, action, named] {
    context.action = [flags, action, named](command_context& c) {
      if (named)
        if (auto bad = wrong_id(flags->id))
          return report(c, *bad);
      return action(c, *flags);
    };
  });
  return sub;
}

void add_content(CLI::App& sub, const std::shared_ptr<schedule_flags>& flags, bool required) {
  auto* file = sub.add_option("--file", flags->file, "A schedule as POST /schedules takes it, JSON")
                   ->check(CLI::ExistingFile);
  if (required)
    file->required();
  sub.add_option("--cron", flags->cron, "minute hour day-of-month month day-of-week");
  sub.add_option("--timezone", flags->timezone, "UTC or an offset: +02:00");
}

} // namespace

void add_schedules_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<schedule_flags>();
  auto* sub = app.add_subcommand("schedules", "Evaluations of a running server that recur");
  sub->require_subcommand(1);
  examples(*sub, "  assay schedules create --file nightly.json\n  assay schedules show nightly\n");
  add_content(*declare(*sub, context, flags, "create", "Have an evaluation recur",
                       "  assay schedules create --file nightly.json\n", create, false),
              flags, true);
  add_content(*declare(*sub, context, flags, "update", "Change a schedule",
                       "  assay schedules update nightly --cron \"0 3 * * *\"\n", update),
              flags, false);
  declare(*sub, context, flags, "list", "Schedules, by id", "  assay schedules list\n", list, false);
  declare(*sub, context, flags, "show", "One schedule with its last runs", "  assay schedules show nightly\n",
          show);
  declare(*sub, context, flags, "pause", "Pause a schedule", "  assay schedules pause nightly\n", pause);
  declare(*sub, context, flags, "resume", "Go on with a schedule", "  assay schedules resume nightly\n",
          resume);
  declare(*sub, context, flags, "run", "Run it now, besides its times", "  assay schedules run nightly\n",
          run_now);
  declare(*sub, context, flags, "delete", "Delete a schedule; its evaluations stay",
          "  assay schedules delete nightly\n", erase);
}

} // namespace assay::cli
