#include "actors/fleet/connection.hpp"

#include "core/codecs/rate_limit_headers.hpp"

#include <algorithm>
#include <limits>

namespace assay {

namespace {

using self_pointer = connection_actor::stateful_pointer<connection_state>;

std::optional<uint32_t> narrow(const std::optional<uint64_t>& value) {
  if (!value)
    return std::nullopt;
  return static_cast<uint32_t>(std::min<uint64_t>(*value, std::numeric_limits<uint32_t>::max()));
}

std::optional<limits_observed> observe_limits(const http_headers& headers, wall_time now) {
  const auto report = codecs::read_rate_limits(headers, now);
  if (report.empty())
    return std::nullopt;
  limits_observed out;
  out.limit_requests = narrow(report.requests.limit);
  out.remaining_requests = narrow(report.requests.remaining);
  out.limit_tokens = narrow(report.tokens.limit);
  out.remaining_tokens = narrow(report.tokens.remaining);
  return out;
}

void fill(exchange_result& out, codecs::chat_answer&& answer) {
  out.answer = std::move(answer.text);
  out.finish = answer.finish;
  out.usage = answer.usage;
  out.usage_present = answer.usage_present;
  out.served_model = std::move(answer.served_model);
  out.request_id = std::move(answer.request_id);
  out.simulated = answer.simulated;
}

void fill(exchange_result& out, codecs::call_failure&& failure) {
  out.error = failure.to_fault();
  out.retry_after = failure.retry_after;
  out.possibly_billed = failure.possibly_billed;
  out.usage = failure.usage;
  out.usage_present = failure.usage_present;
  out.request_id = std::move(failure.request_id);
  out.simulated = failure.simulated;
}

exchange_result decode(connection_state& state, const http_outcome& outcome, wall_time now) {
  exchange_result out;
  out.id = call_id{outcome.id};
  out.http_status = static_cast<uint16_t>(outcome.status);
  out.connect = outcome.connect;
  out.first_byte = outcome.first_byte;
  out.transfer = outcome.transfer;
  if (outcome.finished_at.time_since_epoch().count() > 0)
    out.local_lag =
        std::max(microseconds{0}, std::chrono::duration_cast<microseconds>(now - outcome.finished_at));
  if (outcome.status != 0)
    out.limits = observe_limits(outcome.headers, now);
  std::visit([&](auto&& decoded) { fill(out, std::move(decoded)); }, state.decoder.decode(outcome, now));
  return out;
}

void deliver(self_pointer self, const connection_config& config, const exchange_sink_actor& owner,
             const io_completed& completed) {
  exchange_result_batch batch;
  batch.results.reserve(completed.outcomes.size());
  const auto now = config.wall();
  for (const auto& outcome : completed.outcomes)
    batch.results.push_back(decode(self->state, outcome, now));
  self->state.answered += batch.results.size();
  self->send(owner, std::move(batch));
}

void refuse(self_pointer self, const exchange_sink_actor& owner, const exchange_batch& wish) {
  exchange_result_batch batch;
  for (const auto& one : wish.exchanges) {
    exchange_result out;
    out.id = one.id;
    out.error = self->state.unusable;
    batch.results.push_back(std::move(out));
  }
  self->send(owner, std::move(batch));
}

void send_out(self_pointer self, const exchange_sink_actor& owner, const exchange_batch& wish) {
  if (self->state.unusable)
    return refuse(self, owner, wish);
  std::vector<http_request> requests;
  requests.reserve(wish.exchanges.size());
  for (const auto& one : wish.exchanges) {
    auto body = codecs::encode_request(one.wire_model, one.messages, one.parameters,
                                       codecs::is_reasoning_model(one.wire_model));
    requests.push_back({one.id.value, self->state.chat_target, std::move(body), one.timeout});
  }
  self->state.sent += requests.size();
  self->state.wire->submit(std::move(requests));
}

/// The sockets outlive a message in flight but must not keep the actor alive.
transport_sink sink_to(const connection_actor& target) {
  return [weak = caf::actor_cast<caf::actor_addr>(target)](std::vector<http_outcome> outcomes) {
    if (const auto strong = caf::actor_cast<connection_actor>(weak))
      caf::anon_send(strong, io_completed{std::move(outcomes)});
  };
}

void open(self_pointer self, const connection_config& config) {
  auto& state = self->state;
  if (config.provider.protocol != wire_protocol::openai_chat) {
    state.unusable =
        fault{errc::unsupported,
              "provider '" + config.provider.id.value + "' speaks a protocol that is not there yet",
              "providers." + config.provider.id.value, "use its OpenAI-compatible endpoint as base_url"};
    return;
  }
  auto opened = config.open_transport(config.provider, sink_to(connection_actor{self}));
  if (opened)
    state.wire = std::move(*opened);
  else
    state.unusable = opened.error();
}

} // namespace

connection_state::~connection_state() {
  if (wire)
    wire->close();
}

connection_actor::behavior_type connection(self_pointer self, connection_config config,
                                           exchange_sink_actor owner) {
  self->state.chat_target = codecs::chat_completions_path;
  self->state.decoder = codecs::answer_decoder{{config.provider.id == provider_id{"dashscope"}}};
  open(self, config);
  return {
      [self, owner](const exchange_batch& wish) { send_out(self, owner, wish); },
      [self](const exchanges_given_up& wish) {
        if (!self->state.wire)
          return;
        std::vector<uint64_t> ids;
        for (const auto id : wish.calls)
          ids.push_back(id.value);
        self->state.wire->cancel(std::move(ids));
      },
      [self, config](const read_gauges&) {
        const auto& provider = config.provider.id.value;
        const double sockets = self->state.wire ? static_cast<double>(self->state.wire->open_sockets()) : 0.0;
        return gauges{
            {{metric::connection_sockets_open, {provider}, sockets},
             {metric::connection_requests_total, {provider}, static_cast<double>(self->state.sent)},
             {metric::connection_answers_total, {provider}, static_cast<double>(self->state.answered)}},
            {}};
      },
      [self, config, owner](const io_completed& completed) { deliver(self, config, owner, completed); },
      [](const tick&) {},
  };
}

} // namespace assay
