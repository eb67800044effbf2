#pragma once

#include "actors/fleet/transport.hpp"
#include "actors/runs/run_workers.hpp"
#include "actors/supervision/journal.hpp"
#include "actors/supervision/worker_pool.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace assay::test {

/// Runs jobs at once, in the calling handler; or keeps them, as a pool that is busy.
class inline_executor final : public executor {
public:
  bool submit(std::function<void()> job) override {
    if (full)
      return false;
    if (hold)
      held.push_back(std::move(job));
    else
      job();
    return true;
  }

  bool full = false;
  bool hold = false;
  std::vector<std::function<void()>> held;
};

/// The wire of a test: keeps requests until the test answers them, or answers by a rule.
class fake_wire {
public:
  struct open_request {
    uint64_t id = 0;
    std::string body;
    std::string key; ///< Of the transport that it came through.
  };

  /// What comes back for a request, at once; empty: the test answers by itself.
  using rule = std::function<std::optional<http_outcome>(const http_request&)>;

  transport_factory factory() {
    return
        [this](const provider_profile& profile, transport_sink sink) -> result<std::unique_ptr<transport>> {
          ++opened;
          return std::make_unique<port>(*this, profile.key.reveal(), std::move(sink));
        };
  }

  /// An OpenAI-shaped answer with ten prompt and two answer tokens.
  static http_outcome answer(uint64_t id, const std::string& text) {
    http_outcome out;
    out.id = id;
    out.status = 200;
    out.request_written = true;
    out.body = shared_text{
        R"({"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":)"
        R"("assistant","content":")"
        + text
        + R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2,)"
          R"("total_tokens":12}})"};
    return out;
  }

  static http_outcome failure(uint64_t id, int status, http_headers headers = {},
                              const std::string& code = "") {
    http_outcome out;
    out.id = id;
    out.status = status;
    out.request_written = true;
    out.headers = std::move(headers);
    out.body = shared_text{R"({"error":{"message":"no","type":"t","param":null,"code":")" + code + R"("}})"};
    return out;
  }

  static http_outcome broken(uint64_t id, errc error, bool written) {
    http_outcome out;
    out.id = id;
    out.error = error;
    out.error_message = "broken";
    out.request_written = written;
    return out;
  }

  /// Answers the oldest open request. @returns whether there was one.
  bool answer_next(const std::string& text) {
    if (requests.empty())
      return false;
    const auto id = requests.front().id;
    return deliver(answer(id, text));
  }

  bool deliver(http_outcome outcome) {
    std::erase_if(requests, [&](const open_request& open) { return open.id == outcome.id; });
    auto owner = owners_.extract(outcome.id);
    if (owner.empty())
      return false;
    http_turn turn;
    turn.outcomes.push_back(std::move(outcome));
    owner.mapped()(std::move(turn));
    return true;
  }

  /// A piece of the answer to a streamed request.
  bool deliver_piece(uint64_t id, std::string_view bytes) {
    const auto owner = owners_.find(id);
    if (owner == owners_.end())
      return false;
    http_turn turn;
    turn.pieces.push_back({id, shared_text{bytes}});
    owner->second(std::move(turn));
    return true;
  }

  /// How many requests were ever sent with that key.
  size_t sent_with(const std::string& key) const {
    return static_cast<size_t>(std::count(keys.begin(), keys.end(), key));
  }

  rule respond;
  /// As respond, for tests that look at the key too.
  std::function<std::optional<http_outcome>(const http_request&, const std::string& key)> respond_to_key;
  std::vector<open_request> requests;
  std::vector<std::string> bodies; ///< Of everything ever sent.
  std::vector<std::string> keys;   ///< Of everything ever sent.
  std::vector<uint64_t> cancelled;
  std::map<uint64_t, uint64_t> granted; ///< Bytes by request.
  size_t opened = 0;
  size_t most_open = 0;

private:
  class port final : public transport {
  public:
    port(fake_wire& wire, std::string key, transport_sink sink)
        : wire_(wire), key_(std::move(key)), sink_(std::move(sink)) {}
    ~port() override { close(); }
    port(const port&) = delete;
    port& operator=(const port&) = delete;

    void submit(std::vector<http_request> batch) override {
      http_turn turn;
      for (auto& request : batch) {
        wire_.bodies.push_back(request.body.str());
        wire_.keys.push_back(key_);
        auto reply = wire_.respond_to_key ? wire_.respond_to_key(request, key_)
                     : wire_.respond      ? wire_.respond(request)
                                          : std::nullopt;
        if (reply) {
          reply->id = request.id;
          turn.outcomes.push_back(std::move(*reply));
        } else {
          wire_.requests.push_back({request.id, request.body.str(), key_});
          wire_.owners_[request.id] = sink_;
        }
      }
      wire_.most_open = std::max(wire_.most_open, wire_.requests.size());
      if (!turn.outcomes.empty())
        sink_(std::move(turn));
    }

    void cancel(std::vector<uint64_t> ids) override {
      http_turn turn;
      for (const auto id : ids) {
        wire_.cancelled.push_back(id);
        std::erase_if(wire_.requests, [&](const open_request& open) { return open.id == id; });
        wire_.owners_.erase(id);
        turn.outcomes.push_back(broken(id, errc::cancelled, true));
      }
      sink_(std::move(turn));
    }

    void grant(std::vector<http_credit> credits) override {
      for (const auto& credit : credits)
        wire_.granted[credit.id] += credit.bytes;
    }

    void close() override {
      if (std::exchange(closed_, true))
        return;
      std::erase_if(wire_.requests, [&](const open_request& open) {
        return open.key == key_ && wire_.owners_.erase(open.id) > 0;
      });
    }

    size_t open_sockets() const override { return wire_.requests.size(); }

  private:
    fake_wire& wire_;
    std::string key_;
    transport_sink sink_;
    bool closed_ = false;
  };

  std::map<uint64_t, transport_sink> owners_;
};

/// The store of a test, in memory. Commits at once unless held.
class fake_store final : public batch_writer {
public:
  result<void> submit(uint64_t ticket, append_batch&& batch) override {
    if (busy)
      return fault{errc::busy, "full", {}, {}};
    if (broken)
      return *broken;
    ++submitted;
    waiting_.emplace_back(ticket, std::move(batch));
    if (!hold)
      commit();
    return {};
  }

  void report_to(const journal_actor& journal) override { journal_ = journal.address(); }

  /// Makes everything that waits durable and says so.
  void commit() {
    writer_reported report;
    for (auto& [ticket, batch] : waiting_)
      report.tickets.push_back(apply(ticket, batch));
    waiting_.clear();
    if (const auto journal = caf::actor_cast<journal_actor>(journal_))
      caf::anon_send(journal, std::move(report));
  }

  /// Makes the oldest batch that waits durable and says so.
  void commit_one() {
    auto [ticket, batch] = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    writer_reported report;
    report.tickets.push_back(apply(ticket, batch));
    if (const auto journal = caf::actor_cast<journal_actor>(journal_))
      caf::anon_send(journal, std::move(report));
  }

  /// What waits is lost, as in a crash.
  void lose() { waiting_.clear(); }

  size_t waiting() const { return waiting_.size(); }

  bool hold = false;
  bool busy = false;
  size_t submitted = 0; ///< Batches.
  std::optional<fault> broken;
  std::map<run_id, run_record> runs;
  std::map<run_id, std::map<sample_address, sample_record>> samples;
  std::map<run_id, std::map<sample_address, response_record>> responses;
  std::map<run_id, std::string> results;
  std::map<run_id, std::vector<event>> events;
  std::map<std::string, std::string> documents;

private:
  ticket_done apply(uint64_t ticket, append_batch& batch) {
    ticket_done done;
    done.ticket = ticket;
    for (const auto id : batch.erased_runs) {
      const auto found = runs.find(id);
      if (found == runs.end())
        done.error = fault{errc::not_found, "there is no such run", {}, {}};
      else if (!is_final(found->second.state))
        done.error = fault{errc::conflict, "the run is not final", {}, {}};
    }
    for (const auto& change : batch.documents) {
      if (change.only_if_absent && documents.contains(change.table + "/" + change.key))
        done.error = fault{errc::conflict, "the document exists", {}, {}};
    }
    if (done.error)
      return done;
    for (const auto id : batch.erased_runs) {
      runs.erase(id);
      samples.erase(id);
      responses.erase(id);
      results.erase(id);
      events.erase(id);
    }
    for (auto& row : batch.responses)
      responses[row.run][row.address] = row;
    for (auto& row : batch.samples) {
      samples[row.run][row.address] = row;
      done.last_seq = ++seq_[row.run];
    }
    for (auto& value : batch.events) {
      value.seq = ++seq_[value.run];
      done.last_seq = value.seq;
      events[value.run].push_back(value);
      done.events.push_back(value);
    }
    for (auto& record : batch.runs)
      runs[record.spec.id] = record;
    for (auto& [run, text] : batch.results)
      results[run] = text;
    for (auto& change : batch.documents)
      if (change.value)
        documents[change.table + "/" + change.key] = *change.value;
      else
        documents.erase(change.table + "/" + change.key);
    return done;
  }

  std::vector<std::pair<uint64_t, append_batch>> waiting_;
  std::map<run_id, uint64_t> seq_;
  caf::actor_addr journal_;
};

/// Samples "question 0" ... whose right answer is "right"; what is done comes from the fake store.
class fake_worker final : public run_worker {
public:
  explicit fake_worker(fake_store& store) : store_(store) {
    auto made = std::make_shared<run_plan>();
    task_plan task;
    scoring::scorer_definition definition;
    definition.type = scoring::scorer_type::exact_match;
    task.scorers.push_back(std::move(*scoring::make_scorer(definition)));
    task.score.scorers.push_back({1, true});
    made->push_back(std::move(task));
    plan_ = std::move(made);
  }

  run_recovered recover(const run_record& record) override {
    record_ = record;
    run_recovered out;
    out.record = record;
    out.record.progress = {};
    out.record.progress.total = record.spec.total_samples();
    out.record.progress.possibly_billed = record.lost_calls;
    out.done_by_task.assign(1, 0);
    for (const auto& [address, sample] : store_.samples[record.spec.id]) {
      if (sample.status == sample_status::failed && address.generation != record.generation)
        continue;
      done_.insert({address.variant, address.sample});
      ++out.record.progress.done;
      ++out.done_by_task[0];
      if (sample.status == sample_status::failed)
        ++out.record.progress.failed;
      else
        ++out.record.progress.scored;
    }
    return out;
  }

  std::shared_ptr<const run_plan> plan() const override { return plan_; }

  samples_loaded next_page(size_t limit) override {
    samples_loaded out;
    const auto count = record_.spec.tasks.front().sample_count;
    const auto all = count * std::max<size_t>(record_.spec.prompt_types.size(), 1);
    for (; next_ < all && out.samples.size() < limit; ++next_) {
      loaded_sample sample;
      sample.address.variant = static_cast<uint16_t>(next_ / count);
      sample.address.sample = static_cast<uint32_t>(next_ % count);
      if (done_.contains({sample.address.variant, sample.address.sample}))
        continue;
      sample.address.generation = record_.generation;
      sample.messages.push_back({chat_role::user, shared_text{"question " + std::to_string(next_)}});
      sample.target = shared_text{"right"};
      const auto& kept = store_.responses[record_.spec.id];
      if (const auto found = kept.find(sample.address); found != kept.end() && !found->second.error) {
        sample.has_stored_answer = true;
        sample.stored_answer = found->second.answer;
      }
      out.samples.push_back(std::move(sample));
    }
    out.end = next_ >= all;
    return out;
  }

  result_computed summarise(const run_record& record) override {
    return {R"({"done":)" + std::to_string(store_.samples[record.spec.id].size()) + "}", std::nullopt,
            "generation " + std::to_string(record.generation)};
  }

private:
  fake_store& store_;
  run_record record_;
  std::shared_ptr<const run_plan> plan_;
  std::set<std::pair<uint32_t, uint32_t>> done_; ///< Variant and sample.
  uint64_t next_ = 0;
};

} // namespace assay::test
