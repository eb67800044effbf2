#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/parse.hpp"
#include "storage/answer_cache.hpp"
#include "storage/maintenance.hpp"
#include "storage/prepared_files.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>

namespace assay::cli {

namespace {

using nlohmann::json;

struct store_flags {
  std::string path;
  std::string older_than;
  std::vector<std::string> states;
  bool dry_run = false;
  bool clear = false;
};

constexpr uint64_t prune_ticket = 1;

exit_code stat_store(command_context& context) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto store = open_store_read_only(*settings);
  if (!store)
    return report(context, store.error());
  const auto size = storage::measure(*store);
  if (!size)
    return report(context, size.error());
  if (context.flags.json) {
    json tables = json::object();
    for (const auto& one : size->tables)
      tables[std::string(to_string(one.which))] = {{"rows", one.rows}, {"bytes", one.bytes}};
    print(json{{"folder", settings->storage.data_dir},
               {"used_bytes", size->used_bytes},
               {"free_bytes", size->free_bytes},
               {"map_bytes", size->map_bytes},
               {"reader_slots", size->reader_slots},
               {"reader_slots_used", size->reader_slots_used},
               {"tables", std::move(tables)}}
              .dump(2)
          + "\n");
    return exit_code::ok;
  }
  table rows({{"table"}, {"rows", align::right}, {"size", align::right}});
  for (const auto& one : size->tables)
    if (one.rows > 0)
      rows.add({std::string(to_string(one.which)), show_count(one.rows), show_bytes(one.bytes)});
  rows.add_rule();
  rows.add({"on disk", "", show_bytes(size->used_bytes)});
  rows.add({"of which free", "", show_bytes(size->free_bytes)});
  rows.add({"reserved", "", show_bytes(size->map_bytes)});
  print(settings->storage.data_dir + "\n" + rows.render(context.out));
  return exit_code::ok;
}

exit_code back_up(command_context& context, const store_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto store = open_store_read_only(*settings);
  if (!store)
    return report(context, store.error());
  const auto done = storage::backup(*store, flags.path);
  if (!done)
    return report(context, done.error());
  if (context.flags.json)
    print(json{{"folder", flags.path}, {"bytes", done->bytes}}.dump(2) + "\n");
  else
    print("copied " + show_bytes(done->bytes) + " to " + flags.path + "; use it with --data-dir " + flags.path
          + "\n");
  return exit_code::ok;
}

exit_code compact_store(command_context& context) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  if (const auto there = open_store_read_only(*settings); !there)
    return report(context, there.error());
  const auto done = storage::compact(store_options_of(*settings));
  if (!done)
    return report(context, done.error());
  if (context.flags.json)
    print(json{{"bytes_before", done->bytes_before}, {"bytes_after", done->bytes_after}}.dump(2) + "\n");
  else
    print(show_bytes(done->bytes_before) + " before, " + show_bytes(done->bytes_after) + " now\n");
  return exit_code::ok;
}

result<storage::prune_policy> policy_from(const store_flags& flags) {
  const auto age = parse_duration(flags.older_than);
  if (!age) {
    auto reason = age.error();
    reason.where = "--older-than";
    return reason;
  }
  storage::prune_policy policy;
  policy.finished_before = wall_now() - *age;
  const auto names = split_lists(flags.states);
  if (names.empty())
    return policy;
  policy.keep = {run_state::completed, run_state::failed, run_state::cancelled};
  for (const auto& name : names) {
    const auto state = run_state_from_string(name);
    if (!state || !is_final(*state))
      return fault{errc::invalid_argument, "'" + name + "' is no final state", "--state",
                   "completed, failed or cancelled"};
    std::erase(policy.keep, *state);
  }
  return policy;
}

exit_code show_pruned(const command_context& context, const std::vector<run_id>& runs,
                      const storage::unused_files& prepared, bool dry_run) {
  if (context.flags.json) {
    json ids = json::array();
    for (const auto id : runs)
      ids.push_back(to_string(id));
    print(json{{"dry_run", dry_run},
               {"runs", std::move(ids)},
               {"prepared_files", {{"count", prepared.files.size()}, {"bytes", prepared.bytes}}}}
              .dump(2)
          + "\n");
    return exit_code::ok;
  }
  for (const auto id : runs)
    print(to_string(id) + "\n");
  print(show_count(runs.size()) + (runs.size() == 1 ? " run" : " runs")
        + (dry_run ? " would be removed\n"
                   : " removed; `assay store compact` gives the space back to the disk\n"));
  if (!prepared.files.empty())
    print(show_count(prepared.files.size()) + " files of prepared tasks, " + show_bytes(prepared.bytes)
          + (dry_run ? ", would be removed\n" : ", removed\n"));
  return exit_code::ok;
}

/// Those that only the runs that go, or none, have pinned.
result<storage::unused_files> unused_prepared(const std::shared_ptr<storage::store>& store,
                                              const config::settings& settings,
                                              const storage::prune_policy& policy,
                                              const std::vector<run_id>& gone) {
  const auto folder = std::filesystem::path(settings.storage.data_dir) / "prepared";
  return storage::find_unused_files(store, folder, policy.finished_before, gone);
}

exit_code list_prunable(command_context& context, const storage::prune_policy& policy,
                        const config::settings& settings) {
  const auto store = open_store_read_only(settings);
  if (!store)
    return report(context, store.error());
  const auto runs = storage::find_prunable(*store, policy);
  if (!runs)
    return report(context, runs.error());
  const auto prepared = unused_prepared(*store, settings, policy, *runs);
  return prepared ? show_pruned(context, *runs, *prepared, true) : report(context, prepared.error());
}

exit_code prune_store(command_context& context, const store_flags& flags) {
  const auto policy = policy_from(flags);
  if (!policy)
    return report(context, policy.error());
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  if (flags.dry_run)
    return list_prunable(context, *policy, *settings);
  // Opening for writing would make an empty store of a mistyped folder.
  if (const auto there = open_store_read_only(*settings); !there)
    return report(context, there.error());
  const auto store = storage::store::open(store_options_of(*settings));
  if (!store)
    return report(context, store.error());
  std::optional<fault> failed;
  auto writer = storage::writer::start(*store, {}, [&](storage::commit_report&& done) {
    for (const auto& ticket : done.tickets)
      if (ticket.error && !failed)
        failed = ticket.error;
  });
  if (!writer)
    return report(context, writer.error());
  const auto runs = storage::prune(*store, **writer, *policy, prune_ticket);
  (*writer)->stop(true);
  if (!runs)
    return report(context, runs.error());
  if (failed)
    return report(context, *failed);
  const auto prepared = unused_prepared(*store, *settings, *policy, *runs);
  if (!prepared)
    return report(context, prepared.error());
  // The store is this command's until it ends, so no farm prepares anything meanwhile.
  if (auto gone = storage::remove_files(*prepared); !gone)
    return report(context, gone.error());
  return show_pruned(context, *runs, *prepared, false);
}

/// Hands batches to a writer one by one and waits for each.
class waiting_writer {
public:
  explicit waiting_writer(const std::shared_ptr<storage::store>& store)
      : writer_(storage::writer::start(store, {}, [this](storage::commit_report&& done) { take(done); })) {}

  result<void> write(storage::write_batch&& batch) {
    if (!writer_)
      return writer_.error();
    batch.ticket = ++ticket_;
    if (auto taken = (*writer_)->submit(std::move(batch)); !taken)
      return taken;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_ >= ticket_; });
    if (error_)
      return *error_;
    return {};
  }

private:
  void take(const storage::commit_report& report) {
    const std::lock_guard guard(mutex_);
    for (const auto& one : report.tickets) {
      done_ = std::max(done_, one.ticket);
      if (one.error && !error_)
        error_ = one.error;
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t ticket_ = 0;
  uint64_t done_ = 0;
  std::optional<fault> error_;
  // Last: its thread reports until it ends.
  result<std::unique_ptr<storage::writer>> writer_;
};

exit_code show_cache(const command_context& context, const storage::cache_size& size,
                     const config::cache_settings& limits, bool cleared) {
  const auto shown = [](const std::optional<wall_time>& time) {
    return time ? json(to_rfc3339(*time)) : json(nullptr);
  };
  if (context.flags.json) {
    print(json{{"answers", size.answers},
               {"bytes", size.bytes},
               {"max_bytes", limits.max_bytes},
               {"max_age_seconds", limits.max_age.count()},
               {"oldest_use", shown(size.oldest_use)},
               {"newest_use", shown(size.newest_use)},
               {"cleared", cleared}}
              .dump(2)
          + "\n");
    return exit_code::ok;
  }
  const auto count = show_count(size.answers) + (size.answers == 1 ? " answer" : " answers");
  if (cleared) {
    print(count + " removed; `assay store compact` gives the space back to the disk\n");
    return exit_code::ok;
  }
  print(count + ", " + show_bytes(size.bytes) + " of " + show_bytes(limits.max_bytes) + "\n");
  if (size.oldest_use)
    print("last used between " + to_rfc3339(*size.oldest_use) + " and " + to_rfc3339(*size.newest_use)
          + "\n");
  return exit_code::ok;
}

exit_code look_at_cache(command_context& context, const store_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto& limits = settings->storage.cache;
  storage::cache_size size;
  {
    const auto there = open_store_read_only(*settings);
    if (!there)
      return report(context, there.error());
    const auto measured = storage::measure_answer_cache(*there);
    if (!measured)
      return report(context, measured.error());
    size = *measured;
  }
  if (!flags.clear)
    return show_cache(context, size, limits, false);
  const auto store = storage::store::open(store_options_of(*settings));
  if (!store)
    return report(context, store.error());
  waiting_writer through(*store);
  const auto removed = storage::clear_answer_cache(
      *store, [&](storage::write_batch&& batch) { return through.write(std::move(batch)); });
  if (!removed)
    return report(context, removed.error());
  size.answers = *removed;
  return show_cache(context, size, limits, true);
}

} // namespace

void add_store_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<store_flags>();
  auto* sub = app.add_subcommand("store", "Look at the data folder, copy it, and clean it up");
  sub->require_subcommand(0, 1);
  examples(
      *sub,
      "  assay store\n  assay store backup /backup/assay\n  assay store prune --older-than 30d --dry-run\n");
  sub->callback([&context] {
    if (!context.action)
      context.action = stat_store;
  });
  auto* stat = sub->add_subcommand("stat", "Sizes of tables and files; works beside a running farm");
  examples(*stat, "  assay store stat --json\n");
  stat->callback([&context] { context.action = stat_store; });

  auto* backup = sub->add_subcommand("backup", "Copy the store while the farm goes on");
  backup->add_option("PATH", flags->path, "An empty folder, or one that does not exist yet")->required();
  examples(*backup, "  assay store backup /backup/assay-2024-05-01\n");
  backup->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return back_up(c, *flags); }; });

  auto* compact = sub->add_subcommand("compact", "Give free space back to the disk; no farm may run");
  examples(*compact, "  assay store compact\n");
  compact->callback([&context] { context.action = compact_store; });

  auto* cache = sub->add_subcommand("cache", "The answers that runs with --use-cache share");
  cache->add_flag("--clear", flags->clear, "Remove all of them; no farm may run");
  examples(*cache, "  assay store cache\n  assay store cache --clear\n");
  cache->callback([&context, flags] {
    context.action = [flags](command_context& c) { return look_at_cache(c, *flags); };
  });

  auto* prune = sub->add_subcommand(
      "prune", "Remove old finished runs with all their answers, and prepared tasks that no run has; no farm "
               "may run");
  prune->add_option("--older-than,--older_than", flags->older_than, "Finished longer ago than this: 30d, 12h")
      ->required();
  repeatable(*prune, "--state", flags->states, "Only these: completed, failed, cancelled; default all three");
  prune->add_flag("--dry-run,--dry_run", flags->dry_run, "Only say which");
  examples(*prune, "  assay store prune --older-than 30d --dry-run\n"
                   "  assay store prune --older-than 7d --state failed,cancelled\n");
  prune->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return prune_store(c, *flags); }; });
}

} // namespace assay::cli
