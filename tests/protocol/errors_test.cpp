#include "protocol/errors.hpp"
#include "protocol/system.hpp"

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(faults_as_errors, KeepCodeMessageWhereAndHint) {
  const fault value{errc::invalid_argument, "limit must be positive", "limit", "choose another"};
  EXPECT_EQ(to_fault(to_caf_error(value)), value);
}

TEST(faults_as_errors, KeepEveryCode) {
  for (int number = 1; number <= 255; ++number) {
    const auto code = static_cast<errc>(number);
    EXPECT_EQ(to_fault(to_caf_error({code, "m", "w", "h"})).code, code);
  }
}

TEST(faults_as_errors, ATimeOutSaysThatAnActorDidNotAnswer) {
  EXPECT_EQ(to_fault(caf::make_error(caf::sec::request_timeout)).code, errc::deadline_exceeded);
}

TEST(faults_as_errors, AnEndedReceiverIsALostActor) {
  EXPECT_EQ(to_fault(caf::make_error(caf::sec::request_receiver_down)).code, errc::actor_lost);
  EXPECT_EQ(to_fault(caf::error{caf::exit_reason::kill}).code, errc::actor_lost);
}

TEST(faults_as_errors, WhatCafSaysElseIsInternalWithItsText) {
  const auto value = to_fault(caf::make_error(caf::sec::unexpected_message));
  EXPECT_EQ(value.code, errc::internal);
  EXPECT_NE(value.message.find("unexpected_message"), std::string::npos) << value.message;
}

/// Errors may come from a node of another version: a context of another shape is no reason to fail.
TEST(faults_as_errors, ToleratesAContextOfAnotherShape) {
  const auto value = to_fault(caf::make_error(errc::busy, 7, std::string{"where"}));
  EXPECT_EQ(value.code, errc::busy);
  EXPECT_EQ(value.message, "");
  EXPECT_EQ(value.where, "where");
}

TEST(faults_as_errors, TheSystemRendersThemByName) {
  protocol_config config;
  const caf::actor_system sys{config};
  const auto text = sys.render(to_caf_error({errc::store_full, "the disk is full", {}, {}}));
  EXPECT_NE(text.find("store_full"), std::string::npos) << text;
  EXPECT_NE(text.find("the disk is full"), std::string::npos) << text;
}

} // namespace
} // namespace assay
