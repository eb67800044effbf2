#include "actors/fleet/connection.hpp"

#include "actors/fleet/hide_key.hpp"
#include "core/codecs/openai_chat.hpp"

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

/// The same rate, counted per minute.
std::optional<uint32_t> per_minute(const std::optional<uint64_t>& value,
                                   const std::optional<seconds>& window) {
  const auto count = narrow(value);
  if (!count || *count == 0 || !window)
    return count;
  // Never rounded down to zero, which would mean that nothing is known.
  return narrow(std::max<uint64_t>(1, uint64_t{*count} * 60 / static_cast<uint64_t>(window->count())));
}

std::optional<limits_observed> observe_limits(const codecs::rate_limit_report& report) {
  if (report.empty())
    return std::nullopt;
  limits_observed out;
  if (report.requests.window == std::chrono::hours{24}) {
    out.limit_requests_per_day = narrow(report.requests.limit);
    out.remaining_requests_today = narrow(report.requests.remaining);
  } else {
    out.limit_requests = per_minute(report.requests.limit, report.requests.window);
    out.remaining_requests = per_minute(report.requests.remaining, report.requests.window);
  }
  out.limit_tokens = per_minute(report.tokens.limit, report.tokens.window);
  out.remaining_tokens = per_minute(report.tokens.remaining, report.tokens.window);
  out.limit_input_tokens = per_minute(report.input_tokens.limit, report.input_tokens.window);
  out.remaining_input_tokens = per_minute(report.input_tokens.remaining, report.input_tokens.window);
  out.limit_output_tokens = per_minute(report.output_tokens.limit, report.output_tokens.window);
  out.remaining_output_tokens = per_minute(report.output_tokens.remaining, report.output_tokens.window);
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
  out.cost = answer.cost;
  const bool plain = !answer.refused && answer.reasoning.empty() && answer.tool_calls.empty()
                     && answer.more_choices.empty() && answer.logprobs_json.empty();
  if (plain)
    return;
  answer_extras extras;
  extras.refused = answer.refused;
  extras.reasoning = std::move(answer.reasoning);
  extras.tool_calls = std::move(answer.tool_calls);
  extras.more_choices = std::move(answer.more_choices);
  extras.logprobs_json = std::move(answer.logprobs_json);
  out.extras = std::make_shared<const answer_extras>(std::move(extras));
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

void fill_vectors(exchange_result& out, codecs::embedding_answer&& answer, size_t wanted) {
  if (answer.vectors.size() != wanted) {
    out.error = fault{errc::malformed_answer,
                      "the answer has " + std::to_string(answer.vectors.size()) + " vectors for "
                          + std::to_string(wanted) + " texts",
                      {},
                      {}};
    out.possibly_billed = true;
    return;
  }
  out.embeddings = std::make_shared<const embedding_vectors>(embedding_vectors{std::move(answer.vectors)});
  out.usage = answer.usage;
  out.usage_present = answer.usage_present;
  out.served_model = std::move(answer.served_model);
  out.request_id = std::move(answer.request_id);
  out.simulated = answer.simulated;
}

void fill_count(exchange_result& out, uint32_t tokens) {
  out.usage.prompt_tokens = tokens;
  out.usage_present = true;
}

void note_dropped(connection_state& state, exchange_result& out) {
  const auto found = state.dropped.find(out.id);
  if (found == state.dropped.end())
    return;
  if (!out.error) {
    auto extras = out.extras ? *out.extras : answer_extras{};
    extras.dropped = std::move(found->second);
    out.extras = std::make_shared<const answer_extras>(std::move(extras));
  }
  state.dropped.erase(found);
}

/// Where a model takes no sequences that end its answer, or not all of them, the answer is cut here.
void cut_at_stops(connection_state& state, exchange_result& out) {
  const auto found = state.stops.extract(out.id);
  if (!found || out.error)
    return;
  const auto whole = out.answer.view();
  const auto kept = codecs::cut_at_stop(whole, found.mapped());
  if (kept.size() == whole.size())
    return;
  out.answer = shared_text(kept);
  out.finish = finish_reason::stop;
}

bool lacks_stops(const codecs::encoded_request& encoded) {
  return std::ranges::any_of(encoded.dropped, [](const auto& line) { return line.starts_with("stop: "); });
}

/// Bodies are as large as a hostile provider makes them; what a caller gets to see of one is not.
constexpr size_t longest_raw_response = size_t{1} << 20;

void note_raw(connection_state& state, exchange_result& out, const http_outcome& outcome) {
  if (state.raw.erase(out.id) == 0 || out.error)
    return;
  auto extras = out.extras ? *out.extras : answer_extras{};
  if (outcome.body.size() <= longest_raw_response)
    extras.raw_response = outcome.body.view();
  else
    extras.dropped.push_back("raw_response: the provider's body has more than "
                             + std::to_string(longest_raw_response) + " bytes");
  out.extras = std::make_shared<const answer_extras>(std::move(extras));
}

codecs::decoded_answer decode_body(connection_state& state, const http_outcome& outcome, wall_time now) {
  if (auto stream = state.streams.extract(call_id{outcome.id}))
    return stream.mapped()->finish(outcome, now);
  return state.codec->decode_chat(outcome, now);
}

template <class Answer, class Fill>
void fill_from(exchange_result& out, codecs::decoded<Answer>&& decoded, Fill fill_answer) {
  if (auto* failure = std::get_if<codecs::call_failure>(&decoded))
    fill(out, std::move(*failure));
  else
    fill_answer(std::get<Answer>(std::move(decoded)));
}

void fill_from_body(connection_state& state, exchange_result& out, const http_outcome& outcome,
                    wall_time now) {
  const auto other = state.others.extract(out.id);
  const auto kind = other ? other.mapped().kind : call_kind::chat;
  switch (kind) {
  case call_kind::embed:
    return fill_from(out, state.codec->decode_embeddings(outcome, now),
                     [&](codecs::embedding_answer&& answer) {
                       fill_vectors(out, std::move(answer), other.mapped().inputs);
                     });
  case call_kind::count_tokens:
    return fill_from(out, state.codec->decode_count(outcome, now),
                     [&](uint32_t tokens) { fill_count(out, tokens); });
  case call_kind::chat:
    break;
  }
  std::visit([&](auto&& decoded) { fill(out, std::move(decoded)); }, decode_body(state, outcome, now));
}

exchange_result decode(connection_state& state, const http_outcome& outcome, const secret& key,
                       wall_time now) {
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
    out.limits = observe_limits(state.codec->read_limits(outcome.headers, now));
  fill_from_body(state, out, outcome, now);
  cut_at_stops(state, out);
  note_dropped(state, out);
  note_raw(state, out, outcome);
  hide_key(out, key);
  return out;
}

connection_probed decode_probe(connection_state& state, const http_outcome& outcome, const secret& key,
                               wall_time now) {
  connection_probed out;
  out.id = call_id{outcome.id};
  out.took = std::chrono::ceil<milliseconds>(outcome.connect + outcome.first_byte + outcome.transfer);
  const auto decoded = state.codec->decode_model_list(outcome, now);
  if (const auto* failure = std::get_if<codecs::call_failure>(&decoded))
    out.error = failure->to_fault();
  if (out.error)
    hide_key(*out.error, key);
  return out;
}

/// Hands the pieces on. What added nothing to an answer (comments, keep-alives) is taken at once.
void deliver_pieces(self_pointer self, const exchange_sink_actor& owner, const io_completed& completed) {
  auto& state = self->state;
  std::vector<call_delta> deltas;
  std::vector<http_credit> taken;
  for (const auto& piece : completed.pieces) {
    const auto stream = state.streams.find(call_id{piece.id});
    if (stream == state.streams.end())
      continue;
    if (deltas.empty() || deltas.back().id != stream->first)
      deltas.push_back({stream->first, {}, 0});
    auto& delta = deltas.back();
    delta.bytes += piece.bytes.size();
    stream->second->feed(piece.bytes, delta.pieces);
    delta.usage = stream->second->usage_so_far();
  }
  for (auto& delta : deltas) {
    if (delta.pieces.empty())
      taken.push_back({delta.id.value, delta.bytes});
    else
      self->send(owner, std::move(delta));
  }
  if (!taken.empty())
    state.wire->grant(std::move(taken));
}

void deliver(self_pointer self, const connection_config& config, const exchange_sink_actor& owner,
             const io_completed& completed) {
  deliver_pieces(self, owner, completed);
  if (completed.outcomes.empty())
    return;
  exchange_result_batch batch;
  batch.results.reserve(completed.outcomes.size());
  const auto now = config.wall();
  for (const auto& outcome : completed.outcomes)
    if (self->state.probes.erase(call_id{outcome.id}) > 0)
      self->send(owner, decode_probe(self->state, outcome, config.provider.key, now));
    else
      batch.results.push_back(decode(self->state, outcome, config.provider.key, now));
  self->state.answered += completed.outcomes.size();
  if (!batch.results.empty())
    self->send(owner, std::move(batch));
}

exchange_result refusal(call_id id, fault reason) {
  exchange_result out;
  out.id = id;
  out.error = std::move(reason);
  return out;
}

void refuse(self_pointer self, const exchange_sink_actor& owner, const exchange_batch& wish) {
  exchange_result_batch batch;
  for (const auto& one : wish.exchanges)
    batch.results.push_back(refusal(one.id, *self->state.unusable));
  self->send(owner, std::move(batch));
}

result<codecs::encoded_request> encode(connection_state& state, const exchange& one) {
  const codecs::chat_request question{one.wire_model, one.messages, one.parameters, one.options.get(),
                                      one.stream && one.kind == call_kind::chat};
  switch (one.kind) {
  case call_kind::embed:
    if (!one.inputs)
      return fault{errc::invalid_argument, "there is no text to embed", "input", {}};
    return state.codec->encode_embeddings({one.wire_model, one.inputs->texts, one.inputs->dimensions});
  case call_kind::count_tokens:
    return state.codec->encode_count(question);
  case call_kind::chat:
    break;
  }
  return state.codec->encode_chat(question);
}

void send_out(self_pointer self, const exchange_sink_actor& owner, const exchange_batch& wish) {
  if (self->state.unusable)
    return refuse(self, owner, wish);
  auto& state = self->state;
  std::vector<http_request> requests;
  requests.reserve(wish.exchanges.size());
  exchange_result_batch refused;
  for (const auto& one : wish.exchanges) {
    auto encoded = encode(state, one);
    if (!encoded) {
      refused.results.push_back(refusal(one.id, encoded.error()));
      continue;
    }
    auto& request = requests.emplace_back();
    request.id = one.id.value;
    request.target = std::move(encoded->target);
    request.body = std::move(encoded->body);
    request.timeout = one.timeout;
    request.at_origin = encoded->at_origin;
    request.stream = one.stream && one.kind == call_kind::chat;
    if (request.stream)
      state.streams[one.id] = state.codec->open_stream();
    if (one.kind != call_kind::chat)
      state.others[one.id] = {one.kind, one.inputs ? one.inputs->texts.size() : 0};
    if (one.options && one.options->raw_response && one.kind == call_kind::chat && !request.stream)
      state.raw.insert(one.id);
    // What has gone out of a stream cannot be taken back.
    if (one.kind == call_kind::chat && !request.stream && lacks_stops(*encoded))
      state.stops[one.id] = one.parameters.stop;
    if (!encoded->dropped.empty())
      state.dropped[one.id] = std::move(encoded->dropped);
  }
  state.sent += requests.size();
  if (!requests.empty())
    state.wire->submit(std::move(requests));
  if (!refused.results.empty())
    self->send(owner, std::move(refused));
}

void probe(self_pointer self, const exchange_sink_actor& owner, const probe_connection& wish) {
  auto& state = self->state;
  if (state.unusable) {
    self->send(owner, connection_probed{wish.id, state.unusable, milliseconds{0}});
    return;
  }
  auto encoded = state.codec->encode_model_list({});
  if (!encoded) {
    self->send(owner, connection_probed{wish.id, encoded.error(), milliseconds{0}});
    return;
  }
  std::vector<http_request> requests(1);
  auto& request = requests.front();
  request.id = wish.id.value;
  request.target = std::move(encoded->target);
  request.body = std::move(encoded->body);
  request.timeout = wish.timeout;
  request.at_origin = encoded->at_origin;
  state.probes.insert(wish.id);
  ++state.sent;
  state.wire->submit(std::move(requests));
}

/// The sockets outlive a message in flight but must not keep the actor alive.
transport_sink sink_to(const connection_actor& target) {
  return [weak = caf::actor_cast<caf::actor_addr>(target)](http_turn&& turn) {
    if (const auto strong = caf::actor_cast<connection_actor>(weak))
      caf::anon_send(strong, io_completed{std::move(turn.pieces), std::move(turn.outcomes)});
  };
}

void open(self_pointer self, const connection_config& config) {
  auto& state = self->state;
  state.codec = codecs::make_codec(config.provider);
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
      [self](const deltas_taken& taken) {
        if (self->state.wire)
          self->state.wire->grant({{taken.id.value, taken.bytes}});
      },
      [self, owner](const probe_connection& wish) { probe(self, owner, wish); },
      [self, config](const read_gauges&) {
        const auto& provider = config.provider.id.value;
        const auto& key = config.key_name;
        const double sockets = self->state.wire ? static_cast<double>(self->state.wire->open_sockets()) : 0.0;
        return gauges{
            {{metric::connection_sockets_open, {provider, key}, sockets},
             {metric::connection_requests_total, {provider, key}, static_cast<double>(self->state.sent)},
             {metric::connection_answers_total, {provider, key}, static_cast<double>(self->state.answered)}},
            {}};
      },
      [self, config, owner](const io_completed& completed) { deliver(self, config, owner, completed); },
      [](const tick&) {},
  };
}

} // namespace assay
