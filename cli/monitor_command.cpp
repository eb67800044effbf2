#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/monitor_screen.hpp"
#include "cli/signals.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>

namespace assay::cli {

namespace {

using nlohmann::json;

struct monitor_flags {
  std::string range = "5m";
  double interval = 2; ///< Seconds.
  bool once = false;
  api_flags api;
};

struct answers {
  json overview;
  json models;
  json alerts;
  json recommendations;
  json retries;
  json keys;

  monitor_answers view() const { return {overview, models, alerts, recommendations, retries, &keys}; }
  json document() const {
    return {{"overview", overview}, {"models", models},
            {"alerts", alerts},     {"recommendations", recommendations},
            {"retries", retries},   {"keys", keys}};
  }
};

std::optional<fault> ask_all(const api_client& api, const monitor_flags& flags, answers& out) {
  if (auto refused = api.ask("GET", "/monitor/overview", nullptr, out.overview))
    return refused;
  if (auto refused = api.ask("GET", "/monitor/models?range=" + flags.range, nullptr, out.models))
    return refused;
  if (auto refused = api.ask("GET", "/monitor/alerts", nullptr, out.alerts))
    return refused;
  if (auto refused = api.ask("GET", "/monitor/recommendations", nullptr, out.recommendations))
    return refused;
  if (auto refused = api.ask("GET", "/monitor/retries", nullptr, out.retries))
    return refused;
  auto refused = api.ask("GET", "/monitor/keys", nullptr, out.keys);
  // An older server has none of it.
  return refused && refused->code != errc::not_found ? refused : std::nullopt;
}

void show(const command_context& context, const monitor_flags& flags, const answers& seen) {
  if (context.flags.json) {
    const int indent = flags.once ? 2 : -1;
    print(seen.document().dump(indent, ' ', false, json::error_handler_t::replace) + "\n");
  } else if (flags.once) {
    print(render_monitor(seen.view(), context.out));
  } else if (context.out.is_terminal) {
    // To the corner, write, and clear what is left of the picture before: no flicker.
    constexpr const char* corner = "\x1b[H";
    constexpr const char* clear_line = "\x1b[K";
    constexpr const char* clear_below = "\x1b[J";
    std::string picture = corner;
    for (const char c : render_monitor(seen.view(), context.out))
      picture += c == '\n' ? std::string(clear_line) + "\n" : std::string(1, c);
    print(picture + "\nCtrl-C ends" + clear_line + clear_below);
  } else {
    print(render_monitor_line(seen.view()) + "\n");
  }
  std::fflush(stdout);
}

bool may_come_back(errc code) {
  return code == errc::connect_failed || code == errc::provider_timeout || code == errc::truncated_answer
         || code == errc::busy || code == errc::shutting_down;
}

exit_code live(command_context& context, const monitor_flags& flags, const config::settings& settings,
               api_client api, signals& caught) {
  const milliseconds interval{std::lround(flags.interval * 1000)};
  bool lost = false;
  if (context.out.is_terminal && !context.flags.json)
    print("\x1b[2J");
  while (true) {
    answers seen;
    auto refused = ask_all(api, flags, seen);
    if (refused && refused->code == errc::unauthenticated) {
      // A token's life is shorter than that of a screen on the wall.
      auto again = api_client::connect(settings, flags.api);
      if (!again)
        return report(context, again.error());
      api = std::move(*again);
      refused = ask_all(api, flags, seen);
    }
    if (!refused) {
      lost = false;
      show(context, flags, seen);
    } else if (!may_come_back(refused->code)) {
      return report(context, *refused);
    } else if (!std::exchange(lost, true)) {
      remark(context, "the server does not answer, trying on: " + refused->message);
    }
    const auto signal = caught.wait(interval);
    if (signal && *signal != SIGHUP) {
      if (context.out.is_terminal && !context.flags.json)
        print("\n");
      return *signal == SIGINT ? exit_code::ok : exit_code::ended_early;
    }
  }
}

exit_code monitor(command_context& context, const monitor_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  auto api = api_client::connect(*settings, flags.api);
  if (!api)
    return report(context, api.error());
  if (flags.once) {
    answers seen;
    if (auto refused = ask_all(*api, flags, seen))
      return report(context, *refused);
    show(context, flags, seen);
    return exit_code::ok;
  }
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  return live(context, flags, *settings, std::move(*api), **caught);
}

} // namespace

void add_monitor_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<monitor_flags>();
  auto* sub = app.add_subcommand("monitor", "Calls, times, errors, costs and alerts of a server, live");
  sub->add_option("--range", flags->range, "Window of the table of models: 1m, 5m, 1h or 24h")
      ->check(CLI::IsMember({"1m", "5m", "1h", "24h"}));
  sub->add_option("--interval", flags->interval, "Seconds between two looks")->check(CLI::Range(0.2, 3600.0));
  sub->add_flag("--once", flags->once, "Look once and end");
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay monitor\n  assay monitor --once --json\n"
                 "  ASSAY_TOKEN=... assay monitor --range 24h --url https://farm.example.org\n");
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return monitor(c, *flags); }; });
}

} // namespace assay::cli
