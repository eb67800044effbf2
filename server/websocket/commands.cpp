#include "server/websocket/session.hpp"

#include "server/auth/api_keys.hpp"
#include "server/families.hpp"
#include "server/json_text.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;
using boost::system::error_code;
namespace websocket = boost::beast::websocket;

constexpr uint16_t code_unauthorized = 3000;
constexpr std::string_view channel_prefix = "evaluation:";
constexpr std::string_view test_prefix = "ab_test:";
constexpr std::string_view experiment_prefix = "experiment:";
constexpr std::string_view alerts_name = "alerts";

/// How answers name what is followed.
std::pair<const char*, std::string> shown(run_id run) {
  if (run == alert_channel)
    return {"channel", std::string(alerts_name)};
  if (is_ab_test_channel(run))
    return {"channel", "ab_test"};
  if (is_experiment_channel(run))
    return {"channel", "experiment"};
  return {"evaluation_id", to_string(run)};
}

/// The schema of each command, by its type.
constexpr std::pair<std::string_view, std::string_view> commands[] = {
    {"auth", "AuthCommand"},
    {"subscribe_evaluation", "SubscribeEvaluationCommand"},
    {"subscribe", "SubscribeCommand"},
    {"unsubscribe_evaluation", "UnsubscribeEvaluationCommand"},
    {"unsubscribe", "UnsubscribeCommand"},
    {"llm_invoke", "LlmInvokeCommand"},
    {"llm_cancel", "LlmCancelCommand"},
    {"ping", "PingCommand"},
};

fault wrong(std::string where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

/// The runs that a command names, as an id or as channels.
result<std::vector<run_id>> runs_of(const json& command) {
  std::vector<run_id> out;
  const auto add = [&](const std::string& where, std::string_view text) -> result<void> {
    const auto id = run_id_from_string(text);
    if (!id)
      return wrong(where, "is no evaluation id", "ids look like eval_1234567890_abcd1234");
    out.push_back(*id);
    return {};
  };
  if (const auto it = command.find("evaluation_id"); it != command.end())
    if (auto added = add("evaluation_id", it->get_ref<const std::string&>()); !added)
      return added.error();
  if (const auto it = command.find("channels"); it != command.end())
    for (size_t i = 0; i < it->size(); ++i) {
      const std::string_view name = (*it)[i].get_ref<const std::string&>();
      const auto where = "channels[" + std::to_string(i) + "]";
      if (name == alerts_name) {
        out.push_back(alert_channel);
        continue;
      }
      if (name.starts_with(test_prefix) && is_caller_id(name.substr(test_prefix.size()))) {
        out.push_back(ab_test_channel(name.substr(test_prefix.size())));
        continue;
      }
      if (name.starts_with(experiment_prefix) && is_caller_id(name.substr(experiment_prefix.size()))) {
        out.push_back(experiment_channel(name.substr(experiment_prefix.size())));
        continue;
      }
      if (!name.starts_with(channel_prefix))
        return wrong(where, "is no channel",
                     "channels are written evaluation:ID, ab_test:ID, experiment:ID, or alerts");
      if (auto added = add(where, name.substr(channel_prefix.size())); !added)
        return added.error();
    }
  return out;
}

} // namespace

json failure_json(const fault& what) {
  const auto shown = problem_of(family::engine, what);
  return {{"code", shown.code},
          {"message", without_api_keys(what.message)},
          {"field", what.where.empty() ? json(nullptr) : json(without_api_keys(what.where))},
          {"hint", what.hint.empty() ? json(nullptr) : json(without_api_keys(what.hint))}};
}

boost::asio::awaitable<void> web_socket_session::read_commands() {
  error_code error;
  while (open_) {
    boost::beast::flat_buffer buffer;
    co_await socket_.async_read(buffer, boost::asio::redirect_error(boost::asio::use_awaitable, error));
    if (error)
      co_return;
    if (!socket_.got_text()) {
      close(static_cast<uint16_t>(websocket::close_code::unknown_data), "commands are JSON text");
    } else if (!within_budget()) {
      close(static_cast<uint16_t>(websocket::close_code::policy_error), "too many commands");
    } else if (!close_wanted_) {
      const auto text = boost::beast::buffers_to_string(buffer.data());
      co_await obey(text);
    }
  }
}

bool web_socket_session::within_budget() {
  const double most = edge_.options.limits.web_socket_commands_per_minute;
  const auto now = edge_.options.time.steady();
  const auto passed = std::chrono::duration<double>(now - std::exchange(budget_at_, now)).count();
  command_budget_ = std::min(most, command_budget_ + passed * most / 60.0) - 1;
  return command_budget_ >= 0;
}

boost::asio::awaitable<void> web_socket_session::obey(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed) {
    complain(parsed.error());
    co_return;
  }
  const json& command = *parsed;
  const auto type = command.is_object() && command.contains("type") && command["type"].is_string()
                        ? command["type"].get<std::string>()
                        : std::string{};
  const auto* known = std::find_if(std::begin(commands), std::end(commands),
                                   [&](const auto& one) { return one.first == type; });
  if (known == std::end(commands)) {
    complain(wrong("type", "is no command",
                   "one of auth, subscribe_evaluation, subscribe, unsubscribe_evaluation, "
                   "unsubscribe, llm_invoke, llm_cancel, ping"));
    co_return;
  }
  auto outcome = edge_.routes.schemas().check(known->second, command);
  if (outcome && type == "ping") {
    reply("pong", json::object());
  } else if (outcome && type == "auth") {
    outcome = authenticate(command);
  } else if (outcome && !who_) {
    outcome = fault{
        errc::unauthenticated, "say who you are first", {}, "send {\"type\":\"auth\",\"token\":\"...\"}"};
  } else if (outcome && type == "llm_invoke") {
    outcome = take_question(command);
  } else if (outcome && type == "llm_cancel") {
    outcome = cancel_question(command);
  } else if (outcome && type.starts_with("unsubscribe")) {
    outcome = unsubscribe_all(command);
  } else if (outcome) {
    outcome = co_await subscribe_all(command);
  }
  if (outcome)
    co_return;
  // Whoever asks waits for news of the question's id.
  const auto id = command.find("id");
  if (who_ && type == "llm_invoke" && id != command.end() && id->is_string()
      && !questions_.contains(id->get_ref<const std::string&>()))
    fail_question(id->get<std::string>(), outcome.error());
  else
    complain(outcome.error());
}

result<void> web_socket_session::authenticate(const json& command) {
  auto found = edge_.auth.identify(command.at("token").get_ref<const std::string&>(), peer_);
  if (found && who_ && !who_->anonymous && who_->id != found->id)
    return fault{errc::forbidden, "this socket belongs to another user", "token", "open a new one"};
  if (!found) {
    if (!who_)
      close(code_unauthorized, "the token is not valid");
    return found.error().what;
  }
  if (auto waiting = edge_.auth.take_request(*found))
    return std::move(waiting->what);
  who_ = std::move(*found);
  reply("authenticated", {{"user_id", who_->id.value}});
  return {};
}

result<run_record> web_socket_session::readable_run(run_id run) const {
  if (!who_->permissions.has(permission::evaluation_read))
    return fault{errc::forbidden, "this needs the permission evaluation:read", {}, {}};
  auto record = edge_.read_now([&](storage::snapshot& view) { return view.find_run(run); });
  if (!record)
    return record.error();
  // Somebody else's run is told like one that does not exist.
  if (!*record || !who_->may_see_runs_of((*record)->spec.owner))
    return fault{errc::not_found, "there is no evaluation " + to_string(run), "evaluation_id", {}};
  return std::move(**record);
}

result<run_record> web_socket_session::followed(run_id run) const {
  if (is_ab_test_channel(run) || is_experiment_channel(run)) {
    if (!who_->permissions.has(permission::evaluation_read))
      return fault{errc::forbidden, "this needs the permission evaluation:read", {}, {}};
    const auto test = edge_.read_now([&](storage::snapshot& view) { return find_ab_test(view, run); });
    if (!test)
      return test.error();
    if (!*test || !who_->may_see_runs_of((*test)->owner))
      return fault{errc::not_found,
                   is_ab_test_channel(run) ? "there is no such A/B test" : "there is no such experiment",
                   "channels",
                   {}};
    return run_record{};
  }
  if (run != alert_channel)
    return readable_run(run);
  if (!who_->permissions.has(permission::analytics_read))
    return fault{errc::forbidden, "this needs the permission analytics:read", {}, {}};
  return run_record{};
}

boost::asio::awaitable<result<void>> web_socket_session::subscribe_all(const json& command) {
  auto runs = runs_of(command);
  if (!runs)
    co_return runs.error();
  if (!edge_.auth.still_valid(*who_)) {
    close(code_unauthorized, "the session has ended");
    co_return fault{errc::unauthenticated, "the session has ended", {}, "log in again"};
  }
  std::optional<uint64_t> last_seq;
  if (const auto it = command.find("last_seq"); it != command.end())
    last_seq = it->get<uint64_t>();
  const bool samples = command.value("samples", false);
  for (const auto run : *runs) {
    auto done = co_await subscribe(run, last_seq, samples);
    if (!done)
      co_return done.error();
  }
  co_return result<void>{};
}

boost::asio::awaitable<result<void>>
web_socket_session::subscribe(run_id run, std::optional<uint64_t> last_seq, bool samples) {
  auto record = followed(run);
  if (!record)
    co_return record.error();
  if (!subscriptions_.contains(run) && subscriptions_.size() >= edge_.options.limits.web_socket_subscriptions)
    co_return fault{errc::busy, "this socket follows too many evaluations", "evaluation_id",
                    "unsubscribe from one"};
  if (!listener_) {
    auto fresh = co_await edge_.farm.listen(queue_);
    if (!open_)
      co_return result<void>{};
    if (!fresh)
      co_return fault{errc::busy, "events are not available at the moment", {}, "try again"};
    if (!listener_)
      listener_ = std::move(fresh);
  }
  // Followed before the hub is asked: what it sends between its answer and ours is heard.
  auto& state = subscriptions_[run];
  state.samples = samples;
  state.scorers = scorer_names_of(*record);
  state.round = ++rounds_;
  state.retries_ahead = last_seq ? uint16_t{0} : record->generation;
  state.searched = 0;
  queue_->follow(run, last_seq.value_or(0), samples);
  auto answer = co_await listener_->subscribe(run);
  if (!open_)
    co_return result<void>{};
  if (!answer) {
    subscriptions_.erase(run);
    queue_->forget(run);
    co_return answer.error();
  }
  const auto newest = co_await newest_seq(run, answer->last_seq);
  if (!open_)
    co_return result<void>{};
  if (!newest) {
    subscriptions_.erase(run);
    queue_->forget(run);
    listener_->unsubscribe(run);
    co_return newest.error();
  }
  if (last_seq && *last_seq > *newest)
    queue_->follow(run, *newest, samples);
  queue_->expect(run, *newest);
  const auto [kind, name] = shown(run);
  const json data{{kind, name}, {"last_seq", *newest}};
  reply("subscribed", data, *newest);
  start_catching_up(run);
  co_return result<void>{};
}

result<void> web_socket_session::unsubscribe_all(const json& command) {
  auto runs = runs_of(command);
  if (!runs)
    return runs.error();
  for (const auto run : *runs) {
    if (subscriptions_.erase(run) != 0 && listener_)
      listener_->unsubscribe(run);
    queue_->forget(run);
    const auto [kind, name] = shown(run);
    reply("unsubscribed", {{kind, name}});
  }
  return {};
}

void web_socket_session::reply(const char* type, const json& data, std::optional<uint64_t> seq) {
  queue_->push(shared_text{to_text({{"type", type},
                                    {"data", data},
                                    {"seq", seq ? json(*seq) : json(nullptr)},
                                    {"timestamp", to_rfc3339(edge_.options.time.wall())}})});
}

void web_socket_session::complain(const fault& what) { reply("error", failure_json(what)); }

} // namespace assay::server
