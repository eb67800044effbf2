#include "actors/fleet/batch_desk_detail.hpp"
#include "actors/fleet/hide_key.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::batch_desk_detail {

namespace {

using std::chrono::hours;

/// What a row of results takes: what stands around the answer, each of its tokens, and so many of them when
/// nothing bounds it.
constexpr size_t row_bytes = 1'024;
constexpr size_t token_bytes = 6;
constexpr size_t usual_tokens = 4'096;
/// Providers keep results for a month, and nobody asks for those of a run that is not there any more.
constexpr hours row_lives{30 * 24};

transport_sink sink_to(const batch_desk_actor& target) {
  return [weak = caf::actor_cast<caf::actor_addr>(target)](http_turn&& turn) {
    if (const auto strong = caf::actor_cast<batch_desk_actor>(weak))
      caf::anon_send(strong, io_completed{std::move(turn.pieces), std::move(turn.outcomes)});
  };
}

/// @returns why the provider cannot be reached at all.
std::optional<fault> open_wire(self_pointer self, const config_ptr& config, account& from) {
  if (from.wire)
    return std::nullopt;
  auto opened = config->open_transport(from.profile, sink_to(batch_desk_actor{self}));
  if (!opened)
    return opened.error();
  from.wire = std::move(*opened);
  return std::nullopt;
}

/// What the request makes at the provider must not be made twice unnoticed.
bool makes_something(const chunk& which) noexcept {
  return which.now == phase::uploading || which.now == phase::creating;
}

/// @param transfers many bytes go or come.
void send(self_pointer self, const config_ptr& config, chunk& which, codecs::batch_message&& message,
          bool transfers, bool stream, answers& out) {
  auto& from = account_of(self, which);
  which.due.reset();
  if (auto reason = open_wire(self, config, from))
    return ask_online(self, config, which, *reason, false, out);
  http_request request;
  request.id = ++self->state.next_request;
  request.target = std::move(message.target);
  request.body = std::move(message.body);
  request.content_type = std::move(message.content_type);
  request.method = message.method;
  request.at_origin = message.at_origin;
  request.stream = stream;
  request.resend = !makes_something(which);
  request.timeout = transfers ? config->transfer_timeout : config->request_timeout;
  which.request = request.id;
  which.request_until = self->clock().now() + request.timeout + std::chrono::seconds{30};
  self->state.requests.emplace(request.id, which.label.chunk);
  from.wire->submit({std::move(request)});
}

// -- before it is made -------------------------------------------------------------------------------------

std::string next_name(batch_desk_state& state, wall_time now) {
  // Later than any before, also than those of an earlier process.
  const auto milliseconds_now = static_cast<uint64_t>(std::max<int64_t>(0, now.time_since_epoch().count()));
  state.last_chunk = std::max(state.last_chunk + 1, milliseconds_now);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string name(12, '0');
  auto rest = state.last_chunk;
  for (size_t i = name.size(); i-- > 0; rest >>= 4)
    name[i] = digits[rest & 15];
  return name;
}

void encode(self_pointer self, const config_ptr& config, chunk& which) {
  struct asked {
    uint32_t row;
    call request;
  };
  std::vector<asked> calls;
  calls.reserve(which.rows.size());
  for (uint32_t i = 0; i < which.rows.size(); ++i)
    if (which.rows[i].asked)
      calls.push_back({i, *which.rows[i].asked});
  auto profile = account_of(self, which).profile;
  profile.key = {};
  auto job = [profile = std::move(profile), label = which.label, model = which.model,
              calls = std::make_shared<const std::vector<asked>>(std::move(calls)),
              target = batch_desk_actor{self}] {
    const auto codec = codecs::make_batch_codec(profile);
    batch_encoded done{label.chunk, {}, {}};
    std::string lines;
    for (const auto& one : *calls) {
      const auto before = lines.size();
      const auto added = codec->append_line(
          lines, codecs::batch_custom_id(label, one.row),
          {model, one.request.messages, one.request.parameters, one.request.options.get()});
      if (!added)
        done.refused.push_back({one.row, added.error()});
      else if (lines.size() > codec->limits().max_bytes) {
        lines.resize(before);
        done.refused.push_back({one.row, {errc::too_large, "the call is too large for a batch", {}, {}}});
      }
    }
    done.lines = shared_text(lines);
    caf::anon_send(target, std::move(done));
  };
  which.job_out = config->workers->submit(std::move(job));
  which.due.reset();
  if (!which.job_out)
    go(self, config, which, phase::encoding, config->tick_interval);
}

void refuse_row(self_pointer self, chunk& which, const batch_refusal& refused, answers& out) {
  auto& row = which.rows[refused.row];
  row.question.clear();
  row.worst = {};
  if (!row.asked)
    return;
  auto request = std::move(*row.asked);
  row.asked.reset();
  // One by one it may still go.
  if (refused.reason.code == errc::too_large) {
    ++self->state.retried;
    return out.online(which.run, std::move(request));
  }
  out.refuse(which.run, std::move(request), refused.reason, false);
}

void create(self_pointer self, const config_ptr& config, chunk& which, answers& out) {
  auto& codec = *account_of(self, which).codec;
  const std::string_view input = codec.uploads() ? std::string_view(which.file) : which.lines.view();
  send(self, config, which, codec.encode_create(input, which.model, which.label), !codec.uploads(), false,
       out);
}

void read_results(self_pointer self, const config_ptr& config, chunk& which) {
  auto profile = account_of(self, which).profile;
  profile.key = {};
  auto job = [profile = std::move(profile), key = account_of(self, which).key.value, label = which.label,
              body = std::make_shared<const std::string>(which.body), rows = which.rows.size(),
              now = config->wall(), target = batch_desk_actor{self}] {
    const auto codec = codecs::make_batch_codec(profile);
    std::vector<codecs::batch_row> found;
    codec->decode_rows(*body, now, found);
    for (auto& one : found)
      hide_key(one, key);
    caf::anon_send(target, sorted_results(label, rows, std::move(found), now));
  };
  which.due.reset();
  which.job_out = config->workers->submit(std::move(job));
  if (!which.job_out)
    return go(self, config, which, phase::reading, config->tick_interval);
  which.body = {};
}

void fetch(self_pointer self, const config_ptr& config, chunk& which, answers& out) {
  if (which.results.empty())
    return complete(self, config, which, out);
  // Nobody could take them, and memory is for those who can.
  const auto lane = self->state.lanes.find(which.run);
  if (!which.cancel && (lane == self->state.lanes.end() || !lane->second.sink)) {
    if (config->wall() - which.made_at > row_lives)
      return drop(self, config, which.label.chunk);
    return go(self, config, which, phase::fetching, config->poll_last);
  }
  // Of a batch that nobody wants any more nothing is read.
  if (which.cancel && !which.give_back_at)
    return drop(self, config, which.label.chunk);
  which.body.clear();
  send(self, config, which, account_of(self, which).codec->encode_results(which.results.front()), true, true,
       out);
}

} // namespace

bool not_made_yet(const chunk& which) noexcept {
  return which.now == phase::paying || which.now == phase::encoding || which.now == phase::committing
         || which.now == phase::uploading || which.now == phase::awaiting_file;
}

void go(self_pointer self, const config_ptr& config, chunk& which, phase next,
        std::chrono::milliseconds wait) {
  which.now = next;
  // Taken by the tick, so that no handler goes through many steps.
  which.due = self->clock().now() + wait;
  start_ticking(self, config);
}

void cut(self_pointer self, const config_ptr& config, lane_state& lane, answers& out) {
  auto& state = self->state;
  lane.hold_until.reset();
  const auto now = self->clock().now();
  const auto& accounts = state.accounts_of.at(lane.where.provider);
  const auto index = accounts[lane.next_account++ % accounts.size()];
  const auto limits = state.accounts[index].codec->limits();
  const auto most = std::min<size_t>(config->max_calls, limits.max_calls);
  const auto name = next_name(state, config->wall());
  auto& which = state.chunks[name];
  which.label = {to_string(lane.where.run), name};
  which.run = lane.where.run;
  which.account = index;
  which.model = lane.where.wire_model.empty() ? lane.where.model.value : lane.where.wire_model;
  which.made_at = config->wall();
  size_t bytes = 0;
  size_t result_bytes = 0;
  while (!lane.gathering.empty() && which.rows.size() < most && bytes < config->max_bytes
         && result_bytes < config->likely_result_bytes) {
    auto& [request, question] = lane.gathering.front();
    result_bytes += row_bytes + token_bytes * request.parameters.max_tokens.value_or(usual_tokens);
    for (const auto& message : request.messages)
      bytes += message.content.size();
    const auto worst = worst_of(*config, lane, state.accounts[index], request).value_or(money{});
    which.rows.push_back({std::move(question), std::move(request), now, worst});
    lane.gathering.pop_front();
  }
  lane.gathering_bytes = 0;
  for (const auto& [request, question] : lane.gathering)
    for (const auto& message : request.messages)
      lane.gathering_bytes += message.content.size();
  if (lane.gathering.empty())
    lane.gathering_since.reset();
  lane.chunks.insert(name);
  if (config->budgets && !lane.unlimited)
    return pay(self, config, lane, which);
  step(self, config, which, out);
}

void step(self_pointer self, const config_ptr& config, chunk& which, answers& out) {
  auto& codec = *account_of(self, which).codec;
  switch (which.now) {
  case phase::paying:
    return which.due.reset();
  case phase::encoding:
    return which.job_out ? void() : encode(self, config, which);
  case phase::committing:
    return which.due.reset();
  case phase::uploading:
    return send(self, config, which, codec.encode_upload(which.lines, which.label), true, false, out);
  case phase::awaiting_file:
    return send(self, config, which, codec.encode_file(which.file), false, false, out);
  case phase::creating:
    return create(self, config, which, out);
  case phase::looking:
    return send(self, config, which, codec.encode_list(which.page), false, false, out);
  case phase::working:
    if (which.cancel && !which.cancel_sent) {
      which.now = phase::cancelling;
      return send(self, config, which, codec.encode_cancel(which.batch), false, false, out);
    }
    return send(self, config, which, codec.encode_poll(which.batch), false, false, out);
  case phase::cancelling:
    return send(self, config, which, codec.encode_cancel(which.batch), false, false, out);
  case phase::fetching:
    return fetch(self, config, which, out);
  case phase::reading:
    return which.job_out ? which.due.reset() : read_results(self, config, which);
  case phase::holding:
    which.due.reset();
    if (which.held.empty())
      drop(self, config, which.label.chunk);
  }
}

void on_encoded(self_pointer self, const config_ptr& config, batch_encoded& done, answers& out) {
  const auto found = self->state.chunks.find(done.chunk);
  if (found == self->state.chunks.end() || found->second.now != phase::encoding)
    return;
  auto& which = found->second;
  which.job_out = false;
  for (const auto& refused : done.refused)
    refuse_row(self, which, refused, out);
  which.lines_in_it = which.rows.size() - done.refused.size();
  which.lines = std::move(done.lines);
  if (which.lines.empty())
    return drop(self, config, done.chunk);
  // The intent is durable before anything is made.
  which.now = phase::committing;
  which.due.reset();
  save(self, config, which);
  which.watermark = self->state.next_watermark;
}

void on_committed(self_pointer self, const config_ptr& config, const committed& news, answers& out) {
  std::vector<std::string> ids;
  for (const auto& [id, which] : self->state.chunks)
    if (which.now == phase::committing && (news.error || which.watermark <= news.watermark))
      ids.push_back(id);
  for (const auto& id : ids) {
    auto& which = self->state.chunks.at(id);
    if (!news.error) {
      which.now = account_of(self, which).codec->uploads() ? phase::uploading : phase::creating;
      step(self, config, which, out);
      continue;
    }
    const auto lane = self->state.lanes.find(which.run);
    if (lane != self->state.lanes.end())
      for (auto& [request, question] : take_calls(lane->second, which))
        out.refuse(which.run, std::move(request), *news.error, false);
    drop(self, config, id);
  }
}

void drop(self_pointer self, const config_ptr& config, const std::string& id) {
  auto& state = self->state;
  const auto found = state.chunks.find(id);
  if (found == state.chunks.end())
    return;
  auto& which = found->second;
  if (which.request != 0) {
    state.requests.erase(which.request);
    state.accounts[which.account].wire->cancel({which.request});
  }
  settle_money(self, config, which, not_made_yet(which) ? money{} : worst_of(which));
  if (which.now != phase::encoding && which.now != phase::paying)
    erase_row(self, config, row_key(which));
  if (const auto lane = state.lanes.find(which.run); lane != state.lanes.end()) {
    std::erase_if(lane->second.unclaimed, [&](const auto& entry) { return entry.second.first == id; });
    lane->second.chunks.erase(id);
    if (lane->second.chunks.empty() && !lane->second.sink)
      state.lanes.erase(lane);
  }
  state.chunks.erase(found);
}

void cancel(self_pointer self, const config_ptr& config, chunk& which, std::chrono::milliseconds grace) {
  const bool waits = grace.count() > 0;
  which.give_back_at.reset();
  if (waits)
    which.give_back_at = self->clock().now() + grace;
  // What is done is read all the same.
  if (which.now == phase::holding || which.now == phase::reading)
    return;
  which.cancel = true;
  if (which.request == 0)
    which.due = self->clock().now();
  start_ticking(self, config);
}

} // namespace assay::batch_desk_detail
