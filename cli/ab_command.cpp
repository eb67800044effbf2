#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "core/experiments/ab_test.hpp"
#include "core/values/ids.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay::cli {

namespace {

using nlohmann::json;

struct ab_flags {
  api_flags api;
  std::string id;
  std::string file;
  std::string state;
  std::string unit;
  std::string variant;
  bool failed = false;
  std::optional<double> quality;
  std::optional<double> response_time;
  std::optional<double> cost;
  bool start = false;
  std::string tasks;
  std::optional<uint64_t> limit;
  std::optional<double> max_cost;
};

void print_json(const json& value) {
  print(value.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

std::optional<double> number_in(const json& from, const char* key) {
  const auto found = from.find(key);
  return found != from.end() && found->is_number() ? std::optional<double>{found->get<double>()}
                                                   : std::nullopt;
}

std::string text_in(const json& from, const char* key) {
  const auto found = from.find(key);
  return found != from.end() && found->is_string() ? on_one_line(found->get<std::string>()) : "";
}

/// An id that could be something else in a path is none.
std::optional<fault> wrong_id(const std::string& id) {
  if (is_caller_id(id))
    return std::nullopt;
  return fault{errc::invalid_argument, "'" + id + "' is no id of an A/B test", "ID",
               "1 to 128 of letters, digits, . _ -"};
}

/// Everything but what spells its own bytes in a query.
std::string percent_encoded(const std::string& text) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_caller_id(std::string(1, c))) {
      out += c;
      continue;
    }
    out += '%';
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

/// Asks the server and hands its answer to @p show, unless --json wants it as it is.
template <class Show>
exit_code ask(const command_context& context, const ab_flags& flags, const std::string& method,
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
    print_json(answer);
  else
    show(answer);
  return exit_code::ok;
}

std::string path_of(const ab_flags& flags, const char* rest = "") { return "/ab-tests/" + flags.id + rest; }

// -- creating ----------------------------------------------------------------------------------------------

result<std::string> written_test(const config::settings& settings, const ab_flags& flags) {
  json out;
  if (!flags.file.empty()) {
    const auto text = read_file(flags.file);
    if (!text)
      return text.error();
    out = json::parse(*text, nullptr, false);
    if (!out.is_object())
      return fault{errc::malformed_input, "is no JSON object", flags.file,
                   "tests in YAML stand under ab_tests: of a configuration file"};
    if (!flags.id.empty())
      out["test_id"] = flags.id;
  } else {
    const auto all = json::parse(settings.ab_tests_json, nullptr, false);
    const auto found = all.find(flags.id);
    if (found == all.end()) {
      std::string known;
      for (const auto& [name, test] : all.items())
        known += (known.empty() ? "" : ", ") + name;
      return fault{errc::not_found, "the configuration has no A/B test '" + flags.id + "'", "NAME",
                   known.empty() ? "write it under ab_tests:, or name a JSON file with --file"
                                 : "it has " + known};
    }
    out = *found;
    out["test_id"] = flags.id;
  }
  // Without a server to ask, a mistake is still told.
  if (auto read = experiments::ab_test_from_json(out); !read)
    return read.error();
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

exit_code create(command_context& context, const ab_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  if (flags.id.empty() && flags.file.empty())
    return report(context, {errc::invalid_argument, "what is to be tested?", "NAME",
                            "name a test of the configuration, or a JSON file with --file"});
  const auto body = written_test(*settings, flags);
  if (!body)
    return report(context, body.error());
  const auto api = api_client::connect(*settings, flags.api);
  if (!api)
    return report(context, api.error());
  json answer;
  if (auto refused = api->ask("POST", "/ab-tests", json::parse(*body), answer))
    return report(context, *refused);
  const auto id = answer.value("test_id", "");
  if (flags.start)
    if (auto refused = api->ask("POST", "/ab-tests/" + id + "/start", nullptr, answer))
      return report(context, *refused);
  if (context.flags.json)
    print_json(answer);
  else
    print(id + " is " + text_in(answer, "state") + "\n");
  return exit_code::ok;
}

// -- looking -----------------------------------------------------------------------------------------------

exit_code list(command_context& context, const ab_flags& flags) {
  const auto path = "/ab-tests?limit=1000" + (flags.state.empty() ? "" : "&state=" + flags.state);
  return ask(context, flags, "GET", path, nullptr, [&](const json& answer) {
    table out({{"TEST", align::left, squeeze::whole},
               {"STATE"},
               {"METRIC"},
               {"SAMPLES", align::right},
               {"DESCRIPTION", align::left, squeeze::spare}});
    for (const auto& one : answer.value("items", json::array()))
      out.add({text_in(one, "test_id"), text_in(one, "state"), text_in(one, "success_metric"),
               show_count(one.value("total_samples", uint64_t{0})), text_in(one, "description")});
    print(out.empty() ? "no A/B tests\n" : out.render(context.out, context.out.columns));
  });
}

void show_test(const command_context& context, const json& test) {
  print(text_in(test, "test_id") + "  " + text_in(test, "state") + "  " + text_in(test, "success_metric")
        + "  " + show_count(test.value("total_samples", uint64_t{0})) + " samples\n");
  if (const auto why = text_in(test, "ended_because"); !why.empty())
    print("ended: " + why + "\n");
  table out({{"VARIANT", align::left, squeeze::whole}, {"SHARE", align::right}, {"CONFIGURATION"}});
  const auto shares = test.value("traffic_split", json::object());
  const auto variants = test.value("variants", json::object());
  for (const auto& [name, configuration] : variants.items())
    out.add({name, show_number(number_in(shares, name.c_str()), 3),
             on_one_line(configuration.dump(-1, ' ', false, json::error_handler_t::replace))});
  print(out.render(context.out, context.out.columns));
}

exit_code show(command_context& context, const ab_flags& flags) {
  return ask(context, flags, "GET", path_of(flags), nullptr,
             [&](const json& answer) { show_test(context, answer); });
}

void show_analysis(const command_context& context, const json& seen) {
  table out({{"VARIANT", align::left, squeeze::whole},
             {"SAMPLES", align::right},
             {"SUCCESS", align::right},
             {"QUALITY", align::right},
             {"PERFORMANCE", align::right},
             {"METRIC", align::right},
             {"LOW", align::right},
             {"HIGH", align::right}});
  const auto variants = seen.value("variants", json::object());
  for (const auto& [name, one] : variants.items()) {
    const auto interval = one.at("interval").is_object() ? one.at("interval") : json::object();
    out.add({name, show_count(one.value("sample_size", uint64_t{0})),
             show_number(number_in(one, "success_rate"), 3), show_number(number_in(one, "quality_score"), 3),
             show_number(number_in(one, "performance_score"), 3),
             show_number(number_in(one.value("metric", json::object()), "mean"), 4),
             show_number(number_in(interval, "low"), 4), show_number(number_in(interval, "high"), 4)});
  }
  print(out.render(context.out, context.out.columns));
  const auto winner = text_in(seen, "winner");
  const auto confidence = show_number(number_in(seen, "confidence"), 4);
  if (winner.empty())
    print("undecided: " + text_in(seen, "undecided_because") + "; confidence " + confidence + "\n");
  else
    print("winner: " + winner + ", confidence " + confidence + "\n");
  for (const auto& warning : seen.value("warnings", json::array()))
    if (warning.is_string())
      remark(context, "warning: " + on_one_line(warning.get<std::string>()));
}

exit_code analyze(command_context& context, const ab_flags& flags) {
  return ask(context, flags, "GET", path_of(flags, "/analysis"), nullptr,
             [&](const json& answer) { show_analysis(context, answer); });
}

// -- changing ----------------------------------------------------------------------------------------------

exit_code change(command_context& context, const ab_flags& flags, const char* verb) {
  return ask(context, flags, "POST", path_of(flags, verb), nullptr,
             [&](const json& answer) { print(flags.id + " is " + text_in(answer, "state") + "\n"); });
}

exit_code start(command_context& context, const ab_flags& flags) { return change(context, flags, "/start"); }
exit_code pause(command_context& context, const ab_flags& flags) { return change(context, flags, "/pause"); }
exit_code stop(command_context& context, const ab_flags& flags) { return change(context, flags, "/stop"); }

exit_code run(command_context& context, const ab_flags& flags) {
  json body = json::object();
  if (!flags.file.empty()) {
    const auto text = read_file(flags.file);
    if (!text)
      return report(context, text.error());
    body = json::parse(*text, nullptr, false);
    if (!body.is_object())
      return report(context, {errc::malformed_input, "is no JSON object", flags.file, {}});
  }
  if (!flags.tasks.empty()) {
    auto tasks = json::array();
    for (size_t from = 0; from <= flags.tasks.size();) {
      const auto end = std::min(flags.tasks.find(',', from), flags.tasks.size());
      tasks.push_back(flags.tasks.substr(from, end - from));
      from = end + 1;
    }
    body["tasks"] = std::move(tasks);
  }
  if (flags.limit)
    body["limit"] = *flags.limit;
  if (flags.max_cost)
    body["max_cost"] = *flags.max_cost;
  return ask(context, flags, "POST", path_of(flags, "/run"), body, [&](const json& answer) {
    const auto planned = answer.value("run", json::object()).value("planned", uint64_t{0});
    print(flags.id + " is " + text_in(answer, "state") + ", at most " + show_count(planned) + " samples\n");
  });
}

exit_code erase(command_context& context, const ab_flags& flags) {
  return ask(context, flags, "DELETE", path_of(flags), nullptr,
             [&](const json&) { print("deleted " + flags.id + "\n"); });
}

exit_code variant(command_context& context, const ab_flags& flags) {
  const auto path =
      path_of(flags, "/variant") + (flags.unit.empty() ? "" : "?unit=" + percent_encoded(flags.unit));
  return ask(context, flags, "GET", path, nullptr, [](const json& answer) {
    print(text_in(answer, "variant") + "\n"
          + answer.value("configuration", json::object()).dump(2, ' ', false, json::error_handler_t::replace)
          + "\n");
  });
}

exit_code observe(command_context& context, const ab_flags& flags) {
  json body = json::object();
  if (!flags.file.empty()) {
    const auto text = read_file(flags.file);
    if (!text)
      return report(context, text.error());
    body = json::parse(*text, nullptr, false);
    if (body.is_array())
      body = json{{"observations", std::move(body)}};
    if (!body.is_object())
      return report(context, {errc::malformed_input, "is no JSON", flags.file, {}});
  } else {
    body["success"] = !flags.failed;
    if (!flags.variant.empty())
      body["variant"] = flags.variant;
    if (!flags.unit.empty())
      body["unit"] = flags.unit;
    if (flags.quality)
      body["quality"] = *flags.quality;
    if (flags.response_time)
      body["response_time"] = *flags.response_time;
    if (flags.cost)
      body["cost"] = *flags.cost;
  }
  return ask(context, flags, "POST", path_of(flags, "/observations"), body, [](const json& answer) {
    print(show_count(answer.value("recorded", uint64_t{0})) + " recorded, "
          + show_count(answer.value("total_samples", uint64_t{0})) + " in all\n");
  });
}

using ab_action = exit_code (*)(command_context&, const ab_flags&);

CLI::App* declare(CLI::App& parent, command_context& context, const std::shared_ptr<ab_flags>& flags,
                  const char* name, const char* text, const char* lines, ab_action action,
                  bool named = true) {
  auto* sub = parent.add_subcommand(name, text);
  if (named)
    sub->add_option("ID", flags->id, "The test")->required();
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

void declare_recording(CLI::App& sub, command_context& context, const std::shared_ptr<ab_flags>& flags) {
  auto* chosen = declare(sub, context, flags, "variant", "The variant to use",
                         "  assay ab variant temperature_test_001 --unit user-17\n", variant);
  chosen->add_option("--unit", flags->unit, "Id of the sample or user; without it the variant is drawn");
  auto* seen = declare(
      sub, context, flags, "observe", "Record what came of a variant",
      "  assay ab observe temperature_test_001 --variant low_temp --quality 0.85 --response-time 3.5\n"
      "  assay ab observe temperature_test_001 --file observations.json\n",
      observe);
  seen->add_option("--variant", flags->variant, "Which one; a unit may say it too");
  seen->add_option("--unit", flags->unit, "Id of the sample or user");
  seen->add_flag("--failed", flags->failed, "It was no success");
  const auto number = [&](const char* names, std::optional<double>& into, const char* text, double most) {
    seen->add_option_function<double>(
            names, [flags, &into](double value) { into = value; }, text)
        ->check(CLI::Range(0.0, most));
  };
  number("--quality", flags->quality, "0 to 1", 1);
  number("--response-time,--response_time", flags->response_time, "Seconds", 86'400);
  number("--cost", flags->cost, "Dollars", 1e6);
  seen->add_option("--file", flags->file, "JSON: one observation or a list of up to 200")
      ->check(CLI::ExistingFile);
}

} // namespace

void add_ab_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<ab_flags>();
  auto* sub = app.add_subcommand("ab", "A/B tests of a running server");
  sub->require_subcommand(1);
  examples(*sub, "  assay ab create temperature_optimization --config evaluation_configs.yaml --start\n"
                 "  assay ab analyze temperature_optimization\n");
  auto* made = declare(*sub, context, flags, "create", "Create a test of the configuration or of a file",
                       "  assay ab create temperature_optimization --config evaluation_configs.yaml\n"
                       "  assay ab create --file test.json --start\n",
                       create, false);
  made->add_option("NAME", flags->id, "A test under ab_tests: of the configuration; with --file, its id");
  made->add_option("--file", flags->file, "A test as POST /ab-tests takes it, JSON")
      ->check(CLI::ExistingFile);
  made->add_flag("--start", flags->start, "And start it");
  auto* listed = declare(*sub, context, flags, "list", "A/B tests, the newest first",
                         "  assay ab list --state running\n", list, false);
  listed->add_option("--state", flags->state, "Only those in this state")
      ->check(CLI::IsMember({"created", "running", "paused", "completed", "stopped"}));
  declare(*sub, context, flags, "show", "One test", "  assay ab show temperature_test_001\n", show);
  declare(*sub, context, flags, "start", "Start a test, or go on with it",
          "  assay ab start temperature_test_001\n", start);
  declare(*sub, context, flags, "pause", "Pause a test", "  assay ab pause temperature_test_001\n", pause);
  declare(*sub, context, flags, "stop", "End a test", "  assay ab stop temperature_test_001\n", stop);
  auto* alone = declare(*sub, context, flags, "run", "Have a paired test run by itself until it is decided",
                        "  assay ab run temperature_test_001 --tasks arithmetic --limit 500\n", run);
  alone->add_option("--tasks", flags->tasks, "Tasks or groups, with commas between them");
  alone->add_option("--limit", flags->limit, "Samples per task, of each variant");
  alone->add_option("--max-cost,--max_cost", flags->max_cost, "Dollars, of each variant");
  alone->add_option("--file", flags->file, "The evaluation as POST /ab-tests/{id}/run takes it, JSON")
      ->check(CLI::ExistingFile);
  declare_recording(*sub, context, flags);
  declare(*sub, context, flags, "analyze", "How a test stands; may be looked at at any time",
          "  assay ab analyze temperature_test_001 --json\n", analyze);
  declare(*sub, context, flags, "delete", "Delete a test with its observations; stop it first",
          "  assay ab delete temperature_test_001\n", erase);
}

} // namespace assay::cli
