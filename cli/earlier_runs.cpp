#include "cli/earlier_runs.hpp"

#include "cli/load_settings.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <iterator>

namespace assay::cli {

namespace {

using nlohmann::json;

bool is_ours(const run_record& run) { return run.spec.owner == command_line_user(); }

/// The newest unfinished run that asks the same.
const run_record* find_unfinished(const earlier_runs& earlier, const wished_run& wished) {
  const auto found = std::find_if(earlier.unfinished.rbegin(), earlier.unfinished.rend(),
                                  [&](const run_record& run) { return asks_same(run, wished); });
  return found == earlier.unfinished.rend() ? nullptr : &*found;
}

result<std::vector<run_record>> read_unfinished(const std::shared_ptr<storage::store>& from) {
  std::vector<run_record> out;
  std::optional<run_id> after;
  do {
    auto view = storage::snapshot::open(from);
    if (!view)
      return view.error();
    auto page = view->open_runs(after);
    if (!page)
      return page.error();
    std::move(page->runs.begin(), page->runs.end(), std::back_inserter(out));
    after = page->next;
  } while (after);
  return out;
}

/// The newest completed run of each wish.
result<std::vector<run_record>> read_completed(const std::shared_ptr<storage::store>& from,
                                               std::vector<const wished_run*> wanted) {
  std::vector<run_record> out;
  storage::run_query query;
  query.state = run_state::completed;
  query.owner = command_line_user();
  while (!wanted.empty()) {
    auto view = storage::snapshot::open(from);
    if (!view)
      return view.error();
    auto page = view->list_runs(query);
    if (!page)
      return page.error();
    for (auto& run : page->runs) {
      const auto found = std::find_if(wanted.begin(), wanted.end(),
                                      [&](const auto* wished) { return asks_same(run, *wished); });
      if (found == wanted.end())
        continue;
      wanted.erase(found);
      out.push_back(std::move(run));
    }
    if (!page->next)
      break;
    query.before = page->next;
  }
  return out;
}

/// The seed that a request asked for, under either of its names.
json seed_of(const run_spec& spec) {
  const auto asked = json::parse(spec.requested, nullptr, false);
  for (const char* name : {"random_seed", "seed"})
    if (asked.is_object() && asked.contains(name))
      return asked[name];
  return nullptr;
}

bool has_other_data(const pinned_task& then, const pinned_task& now) {
  return then.dataset_hash != now.dataset_hash
         || (then.fewshot && now.fewshot && then.fewshot->hash != now.fewshot->hash);
}

bool is_same_but_for_files(const pinned_task& then, const pinned_task& now) {
  return then.id == now.id && then.generation == now.generation
         && then.fewshot.has_value() == now.fewshot.has_value();
}

std::string show_rows(uint64_t then, uint64_t now) {
  if (then == now)
    return " has other content now than it had then";
  return " has " + std::to_string(now) + (now == 1 ? " row" : " rows") + " now and had "
         + std::to_string(then) + " then";
}

} // namespace

user_id command_line_user() { return user_id{"local"}; }

bool asks_same(const run_record& run, const wished_run& wished) {
  return is_ours(run) && run.spec.fingerprint == wished.spec.fingerprint;
}

bool asks_same_of_other_files(const run_record& run, const wished_run& wished) {
  const auto& then = run.spec;
  const auto& now = wished.spec;
  if (!is_ours(run) || asks_same(run, wished))
    return false;
  const bool same_questions =
      then.model == now.model && then.provider == now.provider && then.wire_model == now.wire_model
      && then.route == now.route && then.prompt_types == now.prompt_types && then.epochs == now.epochs
      && then.limit == now.limit && then.origin == now.origin && then.num_fewshot == now.num_fewshot
      && then.context_mode == now.context_mode && then.predict_only == now.predict_only
      && (wished.seed_given ? then.random_seed == now.random_seed : seed_of(then).is_null())
      && std::equal(then.tasks.begin(), then.tasks.end(), now.tasks.begin(), now.tasks.end(),
                    is_same_but_for_files);
  if (!same_questions)
    return false;
  for (size_t i = 0; i < now.tasks.size(); ++i)
    if (has_other_data(then.tasks[i], now.tasks[i])
        || then.tasks[i].definition_hash != now.tasks[i].definition_hash)
      return true;
  return false;
}

file_change describe_change(const run_record& run, const wished_run& wished) {
  for (size_t i = 0; i < wished.spec.tasks.size(); ++i) {
    const auto& then = run.spec.tasks[i];
    const auto& now = wished.spec.tasks[i];
    const auto of_task = " of task '" + now.id.value + "'";
    if (then.dataset_hash != now.dataset_hash)
      return {"the dataset" + of_task + show_rows(then.dataset_rows, now.dataset_rows), now.dataset_path};
    if (then.fewshot && now.fewshot && then.fewshot->hash != now.fewshot->hash)
      return {"the few-shot dataset" + of_task + show_rows(then.fewshot->rows, now.fewshot->rows),
              now.fewshot->path};
  }
  for (size_t i = 0; i < wished.spec.tasks.size(); ++i)
    if (run.spec.tasks[i].definition_hash != wished.spec.tasks[i].definition_hash)
      return {"task '" + wished.spec.tasks[i].id.value + "' reads differently now", {}};
  return {};
}

result<earlier_runs> read_earlier_runs(const config::settings& settings,
                                       const std::vector<wished_run>& wished) {
  earlier_runs out;
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::path(settings.storage.data_dir) / "data.mdb", ignored))
    return out;
  auto store = open_store_read_only(settings);
  if (!store) {
    // An older schema is brought forward by the farm; it has no runs of ours then.
    if (store.error().code == errc::store_incompatible)
      return out;
    return store.error();
  }
  auto unfinished = read_unfinished(*store);
  if (!unfinished)
    return unfinished.error();
  out.unfinished = std::move(*unfinished);
  std::vector<const wished_run*> missing;
  for (const auto& one : wished)
    if (find_unfinished(out, one) == nullptr)
      missing.push_back(&one);
  if (missing.size() == wished.size())
    return out;
  auto completed = read_completed(*store, std::move(missing));
  if (!completed)
    return completed.error();
  out.completed = std::move(*completed);
  return out;
}

earlier_match match_earlier(const earlier_runs& earlier, const std::vector<wished_run>& wished) {
  earlier_match out;
  std::optional<wall_time> begun;
  for (const auto& one : wished) {
    const auto* same = find_unfinished(earlier, one);
    out.goes_on.push_back(same == nullptr ? std::nullopt : std::optional{*same});
    if (same != nullptr)
      begun = std::min(begun.value_or(same->spec.created_at), same->spec.created_at);
  }
  for (size_t i = 0; i < wished.size(); ++i) {
    const auto stands_for = [&](const run_record& run) {
      return run.state == run_state::completed && run.finished_at && *run.finished_at >= *begun
             && asks_same(run, wished[i]);
    };
    out.taken.emplace_back();
    if (!begun || out.goes_on[i])
      continue;
    const auto found = std::find_if(earlier.completed.begin(), earlier.completed.end(), stands_for);
    if (found != earlier.completed.end())
      out.taken.back() = *found;
  }
  return out;
}

} // namespace assay::cli
