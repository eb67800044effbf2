#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/progress.hpp"
#include "cli/run_report.hpp"
#include "cli/server_runs.hpp"
#include "cli/signals.hpp"
#include "io/ws_client.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>

namespace assay::cli {

namespace {

using nlohmann::json;

struct watch_flags {
  std::string run;
  api_flags api;
};

std::string text(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

exit_code show_end(const command_context& context, const api_client& api, const json& status) {
  const auto record = record_from(status);
  json document;
  const bool there = !api.ask("GET", "/results/" + to_string(record.spec.id), nullptr, document);
  if (context.flags.json)
    print((there ? document : status).dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  else
    print(render_outcomes(context.out, {{record, there ? document.dump() : std::string{}}}));
  return exit_code_of({&record});
}

/// How long a server that has gone is looked for.
constexpr milliseconds patience{60'000};
constexpr milliseconds first_pause{250};
constexpr milliseconds longest_pause{4'000};

/// @param last_seq What has been seen already; nothing at first.
result<std::unique_ptr<io::ws_client>> subscribe(const api_client& api, run_id run, int wake_fd,
                                                 std::optional<uint64_t> last_seq = std::nullopt) {
  json answer;
  if (auto refused = api.ask("POST", "/auth/ws-ticket", json::object(), answer))
    return *refused;
  io::ws_options options;
  options.where = api.where();
  options.target = "/ws?ticket=" + text(answer, "ticket");
  options.tls.extra_ca_file = api.extra_ca_file();
  options.proxy = api.proxy();
  options.wake_fd = wake_fd;
  auto socket = io::ws_client::connect(options);
  if (!socket)
    return socket;
  json command{{"type", "subscribe_evaluation"}, {"evaluation_id", to_string(run)}};
  if (last_seq)
    command["last_seq"] = *last_seq;
  if (auto sent = (*socket)->send(command.dump()); !sent)
    return sent.error();
  return socket;
}

/// Follows the events. @param newest Of those that were seen. @returns why the run cannot be followed any
/// more; nothing when it has ended.
std::optional<fault> follow(const command_context& context, io::ws_client& socket, progress& shown,
                            json& status, uint64_t& newest) {
  while (!is_final(record_from(status).state)) {
    const auto message = socket.receive();
    if (!message)
      return message.error();
    const auto event = json::parse(*message, nullptr, false);
    if (!event.is_object() || !event.contains("data") || !event["data"].is_object())
      continue;
    const auto type = text(event, "type");
    if (type == "error")
      return fault{errc::not_found, text(event["data"], "message"), {}, {}};
    if (type == "log" && !context.flags.quiet)
      context.err->line(on_one_line(text(event["data"], "level") + ": " + text(event["data"], "message")));
    if (!type.starts_with("evaluation_") || !event["data"].contains("state"))
      continue;
    if (const auto seq = event.find("seq"); seq != event.end() && seq->is_number_unsigned()) {
      if (seq->get<uint64_t>() < newest)
        continue;
      newest = seq->get<uint64_t>();
    }
    status.update(event["data"]);
    const auto record = record_from(status);
    shown.show({{model_label(record.spec), record}});
    if (context.flags.verbose > 0)
      context.err->line(type + " seq " + event.value("seq", json()).dump());
  }
  return std::nullopt;
}

/// Looks for a server that has gone, and goes on where the events broke off.
/// @param lost Becomes errc::cancelled when a signal came meanwhile. @returns nothing when it did not come
/// back.
std::unique_ptr<io::ws_client> find_again(const command_context& context, const api_client& api, run_id run,
                                          signals& caught, json& status, uint64_t newest,
                                          std::optional<fault>& lost) {
  context.err->line("the server has gone; looking for it again");
  milliseconds waited{0};
  for (auto pause = first_pause; waited < patience; pause = std::min(pause * 2, longest_pause)) {
    if (const auto signal = caught.wait(pause); signal && *signal != SIGHUP) {
      lost = fault{errc::cancelled, "interrupted", {}, {}};
      return nullptr;
    }
    waited += pause;
    auto socket = subscribe(api, run, caught.descriptor(), newest);
    if (!socket)
      continue;
    json now;
    if (api.ask("GET", "/evaluations/" + to_string(run), nullptr, now))
      continue;
    status = std::move(now);
    return std::move(*socket);
  }
  return nullptr;
}

/// @returns whether it is the server that has gone, not the run.
bool is_gone(const fault& lost) { return lost.code != errc::cancelled && lost.code != errc::not_found; }

exit_code watch(command_context& context, const watch_flags& flags) {
  if (auto good = check_run_name(flags.run); !good)
    return report(context, good.error());
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto api = api_client::connect(*settings, flags.api);
  if (!api)
    return report(context, api.error());
  const auto id = find_run_at(*api, flags.run);
  if (!id)
    return report(context, id.error());
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  auto socket = subscribe(*api, *id, (*caught)->descriptor());
  if (!socket)
    return report(context, socket.error());
  // After the subscription, so that nothing happens unseen between the two.
  json status;
  if (auto refused = api->ask("GET", "/evaluations/" + to_string(*id), nullptr, status))
    return report(context, *refused);
  progress shown(context.err, context.flags.quiet);
  const auto present = record_from(status);
  shown.show({{model_label(present.spec), present}});
  // What the status says already is not news: an earlier end, say, of a run that was retried since.
  auto newest = status.value("last_seq", uint64_t{0});
  auto lost = follow(context, **socket, shown, status, newest);
  while (lost && is_gone(*lost)) {
    auto again = find_again(context, *api, *id, **caught, status, newest, lost);
    if (!again)
      break;
    lost = follow(context, *again, shown, status, newest);
  }
  shown.end();
  if (lost && lost->code == errc::cancelled) {
    context.err->line("stopped watching; the run goes on");
    return exit_code::interrupted;
  }
  if (lost)
    return report(context, *lost);
  return show_end(context, *api, status);
}

} // namespace

void add_watch_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<watch_flags>();
  auto* sub = app.add_subcommand("watch", "Follow a run of a server live, then show its result");
  sub->add_option("ID", flags->run, "The run, or `last`")->required();
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay watch last\n  assay watch eval_1700000000_0000002a\n"
                 "  ASSAY_TOKEN=... assay watch eval_1700000000_0000002a --url https://farm.example.org\n");
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return watch(c, *flags); }; });
}

} // namespace assay::cli
