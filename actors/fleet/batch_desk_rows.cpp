#include "actors/fleet/batch_desk_detail.hpp"

#include "core/codecs/answer_key.hpp"
#include "core/values/key_fingerprint.hpp"
#include "protocol/errors.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::batch_desk_detail {

namespace {

using nlohmann::json;
using batch_row_state = batch_desk_state::row;

constexpr std::chrono::seconds flush_timeout{5};
/// Of a question's hash; two different questions of one run never share so much of it.
constexpr size_t question_bytes = 16;

std::optional<size_t> find_account(const batch_desk_state& state, const std::string& provider,
                                   const std::string& fingerprint) {
  for (size_t i = 0; i < state.accounts.size(); ++i)
    if (state.accounts[i].profile.id.value == provider
        && key_fingerprint(state.accounts[i].profile.key) == fingerprint)
      return i;
  return std::nullopt;
}

/// @returns nothing when the row is none of this version, or its provider or key is not there any more.
std::optional<chunk> read_row(const batch_desk_state& state, const std::string& text) {
  const auto row = json::parse(text, nullptr, false);
  if (!row.is_object())
    return std::nullopt;
  const auto word = [&](const char* name) {
    const auto found = row.find(name);
    return found != row.end() && found->is_string() ? found->get<std::string>() : std::string{};
  };
  const auto account = find_account(state, word("provider"), word("key"));
  const auto run = run_id_from_string(word("run"));
  const auto questions = row.find("questions");
  if (!account || !run || word("chunk").empty() || questions == row.end() || !questions->is_array())
    return std::nullopt;
  chunk out;
  out.label = {word("run"), word("chunk")};
  out.run = *run;
  out.account = *account;
  out.model = word("model");
  out.batch = word("batch");
  if (const auto at = row.find("made_at_ms"); at != row.end() && at->is_number_integer())
    out.made_at = wall_time{milliseconds{at->get<int64_t>()}};
  if (const auto lease = row.find("lease"); lease != row.end() && lease->is_number_unsigned())
    out.lease = lease->get<uint64_t>();
  if (const auto leased = row.find("leased"); leased != row.end() && leased->is_number_integer())
    out.leased = money{leased->get<int64_t>()};
  const auto worst = row.find("worst");
  for (const auto& question : *questions) {
    out.rows.push_back({question.is_string() ? question.get<std::string>() : std::string{}, {}, {}});
    if (const auto i = out.rows.size() - 1; worst != row.end() && worst->is_array() && i < worst->size())
      out.rows.back().worst = money{(*worst)[i].is_number_integer() ? (*worst)[i].get<int64_t>() : 0};
    out.lines_in_it += out.rows.back().question.empty() ? 0 : 1;
  }
  out.now = out.batch.empty() ? phase::looking : phase::working;
  return out;
}

void fill(call_outcome& out, codecs::chat_answer&& answer) {
  out.answer = std::move(answer.text);
  out.finish = answer.finish;
  out.usage = answer.usage;
  out.http_status = 200;
  out.served_model = std::move(answer.served_model);
  out.request_id = std::move(answer.request_id);
  out.simulated = answer.simulated;
  if (!answer.refused && answer.reasoning.empty() && answer.tool_calls.empty() && answer.more_choices.empty()
      && answer.logprobs_json.empty())
    return;
  answer_extras extras;
  extras.refused = answer.refused;
  extras.reasoning = std::move(answer.reasoning);
  extras.tool_calls = std::move(answer.tool_calls);
  extras.more_choices = std::move(answer.more_choices);
  extras.logprobs_json = std::move(answer.logprobs_json);
  out.extras = std::make_shared<const answer_extras>(std::move(extras));
}

void fill(call_outcome& out, codecs::call_failure&& failure) {
  out.error = failure.to_fault();
  out.possibly_billed = failure.possibly_billed;
  out.usage = failure.usage;
  out.request_id = std::move(failure.request_id);
  out.simulated = failure.simulated;
}

/// What one call cost, for the batch's share of the price.
void price(const lane_state& lane, const account& from, call_outcome& outcome) {
  const auto online = price_of(outcome.usage, lane.where.prices);
  const bool paid = !outcome.error || outcome.possibly_billed;
  if (online && paid)
    outcome.cost = from_dollars(to_dollars(*online) * from.profile.batches.price_factor);
}

/// Another try one by one may do better.
bool may_do_better(const lane_state& lane, errc code) {
  if (code == errc::content_filtered)
    return lane.where.route.models.size() > 1;
  return retry_class_of(code) != retry_class::never;
}

attempt_record attempt_of(const account& from, const call_outcome& outcome) {
  attempt_record out;
  out.error = outcome.error->code;
  out.http_status = outcome.http_status;
  out.possibly_billed = outcome.possibly_billed;
  out.message = outcome.error->message;
  if (from.one_of_many)
    out.key = from.key.name;
  return out;
}

/// What is asked again is counted by whoever ends it.
void observe(const lane_state& lane, const call_outcome& outcome, answers& out) {
  if (outcome.error && outcome.error->code == errc::cancelled)
    return;
  call_observation seen;
  seen.model = lane.where.model;
  seen.provider = lane.where.provider;
  if (outcome.error)
    seen.error = outcome.error->code;
  seen.usage = outcome.usage;
  seen.cost = outcome.cost;
  seen.tries = static_cast<uint16_t>(outcome.failures.size() + (outcome.error ? 0 : 1));
  seen.batched = true;
  out.observe(std::move(seen));
}

/// Gives a result to the call that waits for it.
void settle(self_pointer self, const config_ptr& config, lane_state& lane, const chunk& which,
            batch_row_state& row, call_outcome&& outcome, answers& out) {
  auto& state = self->state;
  const auto& from = state.accounts[which.account];
  auto request = std::move(*row.asked);
  row.asked.reset();
  row.question.clear();
  const auto waited = self->clock().now() - row.since;
  if (outcome.error) {
    request.failures.push_back(attempt_of(from, outcome));
    if (lane.where.route.models.size() > 1)
      request.failures.back().target = lane.where.provider.value + "/" + lane.where.model.value;
    const bool would_go_on = may_do_better(lane, outcome.error->code);
    if (would_go_on && which.cancel) {
      outcome.error = fault{errc::cancelled, "withdrawn", {}, {}};
    } else if (would_go_on) {
      ++state.retried;
      return out.online(which.run, std::move(request));
    }
  } else {
    ++state.answered;
  }
  outcome.id = request.id;
  outcome.failures = std::move(request.failures);
  outcome.timing.queued = std::chrono::duration_cast<microseconds>(waited);
  outcome.finished_at = config->wall();
  if (from.one_of_many)
    outcome.key = from.key.name;
  if (lane.where.route.models.size() > 1)
    outcome.served_by = lane.where.provider.value + "/" + lane.where.model.value;
  price(lane, from, outcome);
  observe(lane, outcome, out);
  out.back(which.run, std::move(outcome));
}

void forget_row(lane_state& lane, const std::string& id, uint32_t row, const std::string& question) {
  const auto [first, last] = lane.unclaimed.equal_range(question);
  for (auto it = first; it != last; ++it)
    if (it->second == std::pair{id, row}) {
      lane.unclaimed.erase(it);
      return;
    }
}

/// The batch that was taken for this one is another's.
void look_further(self_pointer self, const config_ptr& config, chunk& which) {
  spdlog::info("batch desk lets another's batch go run={} batch={}", which.label.run, which.batch);
  which.foreign.push_back(std::move(which.batch));
  which.batch.clear();
  which.results.clear();
  which.looks = 0;
  save(self, config, which);
  go(self, config, which, phase::looking);
}

} // namespace

// -- rows of the store -------------------------------------------------------------------------------------

std::string row_key(const chunk& which) { return which.label.run + "/" + which.label.chunk; }

std::string row_text(const chunk& which, const account& from) {
  json questions = json::array();
  for (const auto& row : which.rows)
    questions.push_back(row.question);
  json out{{"run", which.label.run},
           {"chunk", which.label.chunk},
           {"provider", from.profile.id.value},
           {"key", key_fingerprint(from.profile.key)},
           {"model", which.model},
           {"batch", which.batch},
           {"made_at_ms", which.made_at.time_since_epoch().count()},
           {"questions", std::move(questions)}};
  if (which.lease != 0) {
    json worst = json::array();
    for (const auto& row : which.rows)
      worst.push_back(row.worst.nanodollars);
    out["lease"] = which.lease;
    out["leased"] = which.leased.nanodollars;
    out["worst"] = std::move(worst);
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

void save(self_pointer self, const config_ptr& config, const chunk& which) {
  append_batch rows;
  rows.watermark = ++self->state.next_watermark;
  rows.documents.push_back({table_name, row_key(which), row_text(which, self->state.accounts[which.account]),
                            false, std::nullopt});
  self->send(config->journal, append{std::move(rows), caf::actor_cast<commit_sink_actor>(self)});
}

void erase_row(self_pointer self, const config_ptr& config, const std::string& key) {
  append_batch rows;
  rows.watermark = ++self->state.next_watermark;
  rows.documents.push_back({table_name, key, std::nullopt, false, std::nullopt});
  self->send(config->journal, append{std::move(rows), caf::actor_cast<commit_sink_actor>(self)});
}

/// What an earlier desk has written may still be on its way to the store.
void begin_recall(self_pointer self, const config_ptr& config) {
  if (!config->recall) {
    self->state.recalled = true;
    return take_over(self, config);
  }
  if (std::exchange(self->state.recalling, true))
    return;
  const auto failed = [self] { self->state.recalling = false; };
  self->request(config->journal, flush_timeout, flush_journal{})
      .then(
          [self, config, failed](const committed&) {
            const auto job = [read = config->recall, target = batch_desk_actor{self}] {
              batches_recalled found;
              if (auto rows = read())
                found.rows = std::move(*rows);
              else
                found.error = rows.error();
              caf::anon_send(target, std::move(found));
            };
            if (!config->workers->submit(job))
              failed();
          },
          [failed](const caf::error&) { failed(); });
}

void on_recalled(self_pointer self, const config_ptr& config, batches_recalled& found) {
  auto& state = self->state;
  state.recalling = false;
  if (found.error) {
    spdlog::warn("batch desk cannot read its batches reason=\"{}\"", to_string(*found.error));
    return start_ticking(self, config);
  }
  state.recalled = true;
  for (const auto& [key, text] : found.rows) {
    auto which = read_row(state, text);
    if (!which) {
      spdlog::warn("batch desk leaves a batch whose provider or key is gone row={}", key);
      spend_lost_row(self, config, text);
      erase_row(self, config, key);
      continue;
    }
    const auto id = which->label.chunk;
    auto& lane = state.lanes[which->run];
    lane.where.run = which->run;
    lane.chunks.insert(id);
    for (uint32_t i = 0; i < which->rows.size(); ++i)
      if (const auto& question = which->rows[i].question; !question.empty())
        lane.unclaimed.emplace(question, std::pair{id, i});
    which->due = self->clock().now();
    state.chunks.emplace(id, std::move(*which));
  }
  take_over(self, config);
  // Calls that came meanwhile.
  answers out{self, config};
  for (auto& [run, lane] : state.lanes) {
    auto calls = std::exchange(lane.gathering, {});
    for (auto& [request, question] : calls)
      if (!claim(self, config, lane, request, question, out))
        lane.gathering.emplace_back(std::move(request), std::move(question));
    if (lane.gathering.empty()) {
      lane.gathering_bytes = 0;
      lane.gathering_since.reset();
    }
  }
  out.send();
  start_ticking(self, config);
}

// -- calls and rows ----------------------------------------------------------------------------------------

std::string question_of(const lane_state& lane, const provider_profile& provider, const call& request) {
  codecs::answer_question question;
  question.protocol = provider.protocol;
  question.base_url = provider.base_url;
  question.wire_model = lane.where.wire_model.empty() ? lane.where.model.value : lane.where.wire_model;
  question.messages = request.messages;
  question.parameters = &request.parameters;
  question.options = request.options.get();
  question.repetition = request.repetition;
  const auto hash = codecs::answer_key(question);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (size_t i = 1; i <= question_bytes; ++i) {
    const auto byte = static_cast<unsigned char>(hash[i]);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

bool claim(self_pointer self, const config_ptr& config, lane_state& lane, call& request,
           const std::string& question, answers& out) {
  const auto found = lane.unclaimed.find(question);
  if (found == lane.unclaimed.end())
    return false;
  const auto [id, number] = found->second;
  auto& which = self->state.chunks.at(id);
  if (which.cancel)
    return false;
  lane.unclaimed.erase(found);
  auto& row = which.rows[number];
  row.asked = std::move(request);
  row.since = self->clock().now();
  if (auto ready = which.held.extract(number)) {
    settle(self, config, lane, which, row, std::move(ready.mapped().outcome), out);
    if (which.held.empty())
      go(self, config, which, phase::holding, config->keep_row);
  }
  return true;
}

void release_calls(batch_desk_state&, lane_state& lane, chunk& which) {
  for (uint32_t i = 0; i < which.rows.size(); ++i) {
    auto& row = which.rows[i];
    if (!row.asked)
      continue;
    row.asked.reset();
    lane.unclaimed.emplace(row.question, std::pair{which.label.chunk, i});
  }
}

std::vector<std::pair<call, std::string>> take_calls(lane_state& lane, chunk& which) {
  std::vector<std::pair<call, std::string>> out;
  for (uint32_t i = 0; i < which.rows.size(); ++i) {
    auto& row = which.rows[i];
    if (row.asked)
      out.emplace_back(std::move(*row.asked), std::move(row.question));
    else if (!row.question.empty())
      forget_row(lane, which.label.chunk, i, row.question);
    row.asked.reset();
    row.question.clear();
  }
  return out;
}

void ask_online(self_pointer self, const config_ptr& config, chunk& which, const fault& reason, bool billed,
                answers& out) {
  auto& state = self->state;
  settle_money(self, config, which, billed ? worst_of(which) : money{});
  if (const auto lane = state.lanes.find(which.run); lane != state.lanes.end())
    for (auto& [request, question] : take_calls(lane->second, which)) {
      call_outcome failed;
      failed.error = reason;
      failed.possibly_billed = billed;
      request.failures.push_back(attempt_of(state.accounts[which.account], failed));
      if (which.cancel) {
        out.refuse(which.run, std::move(request), {errc::cancelled, "withdrawn", {}, {}}, billed);
        continue;
      }
      ++state.retried;
      out.online(which.run, std::move(request));
    }
  drop(self, config, which.label.chunk);
}

// -- results -----------------------------------------------------------------------------------------------

batch_results_read sorted_results(const codecs::batch_label& label, size_t rows,
                                  std::vector<codecs::batch_row>&& found, wall_time now) {
  batch_results_read out{label.chunk, {}, 0};
  for (auto& one : found) {
    const auto row = codecs::batch_row_of(one.custom_id, label);
    if (!row || *row >= rows) {
      ++out.foreign;
      continue;
    }
    auto& result = out.results.emplace_back();
    result.row = *row;
    result.tried = one.tried;
    result.outcome.finished_at = now;
    std::visit([&](auto&& answer) { fill(result.outcome, std::move(answer)); }, std::move(one.answer));
  }
  return out;
}

void on_results(self_pointer self, const config_ptr& config, batch_results_read& done, answers& out) {
  const auto found = self->state.chunks.find(done.chunk);
  if (found == self->state.chunks.end() || found->second.now != phase::reading)
    return;
  auto& which = found->second;
  which.job_out = false;
  if (done.results.empty() && done.foreign > 0 && which.held.empty())
    return look_further(self, config, which);
  const auto lane = self->state.lanes.find(which.run);
  if (lane == self->state.lanes.end())
    return drop(self, config, done.chunk);
  for (auto& result : done.results) {
    auto& row = which.rows[result.row];
    bound_usage(*config, lane->second, row, result.outcome);
    if (!std::exchange(row.charged, true))
      which.spent += charge_of(lane->second, account_of(self, which), row, result.outcome);
    if (row.asked)
      settle(self, config, lane->second, which, row, std::move(result.outcome), out);
    else if (!row.question.empty() && !result.outcome.error)
      // Nobody has asked for it since a restart.
      which.held.emplace(result.row, std::move(result));
  }
  if (!which.results.empty())
    return go(self, config, which, phase::fetching);
  complete(self, config, which, out);
}

void complete(self_pointer self, const config_ptr& config, chunk& which, answers& out) {
  const auto found = self->state.lanes.find(which.run);
  if (found == self->state.lanes.end())
    return drop(self, config, which.label.chunk);
  auto& lane = found->second;
  settle_money(self, config, which, which.spent);
  for (uint32_t i = 0; i < which.rows.size(); ++i) {
    auto& row = which.rows[i];
    if (row.asked) {
      call_outcome none;
      none.error = fault{errc::provider_unavailable, "the batch has no answer to this call", {}, {}};
      settle(self, config, lane, which, row, std::move(none), out);
    } else if (!row.question.empty() && !which.held.contains(i)) {
      // Whoever asks for it later finds no batch and waits for the next.
      forget_row(lane, which.label.chunk, i, row.question);
      row.question.clear();
    }
  }
  which.give_back_at.reset();
  go(self, config, which, phase::holding, config->keep_row);
}

} // namespace assay::batch_desk_detail

namespace assay {

std::function<result<std::vector<std::pair<std::string, std::string>>>()>
make_batch_recall(std::shared_ptr<storage::store> store) {
  return [store = std::move(store)]() -> result<std::vector<std::pair<std::string, std::string>>> {
    std::vector<std::pair<std::string, std::string>> out;
    storage::document_query query;
    query.limit = storage::max_page_rows;
    do {
      auto view = storage::snapshot::open(store);
      if (!view)
        return view.error();
      auto page = view->page_documents(storage::table::batches, query);
      if (!page)
        return page.error();
      for (auto& [key, document] : page->documents)
        out.emplace_back(key, std::move(document.bytes));
      query.after = std::move(page->next);
    } while (query.after);
    return out;
  };
}

} // namespace assay
