//! How the table of messages is made into types: the two macros that `model::message` uses.
//!
//! `rpcs!` takes a row per API and makes the enum of all messages with everything that depends on
//! the kind of a message. `message!` takes the struct of one message and derives from its fields
//! what must be known of each. A kind or a field that is forgotten anywhere does not compile. Knows
//! no message.

/// Makes [`Content`](crate::model::message::Content) and the dispatch patterns of a table.
macro_rules! rpcs {
    (
        served by brokers { $($broker_row:tt)* }
        served by controllers { $($controller_row:tt)* }
    ) => {
        rpcs! { @enum $($broker_row)* $($controller_row)* }
        rpcs! { @patterns broker_request $($broker_row)* }
        rpcs! { @patterns controller_request $($controller_row)* }
    };
    (@enum $(
        $name:literal in $file:ident:
            $request:ident($lane:ident, $cost:ident, $appends:ident)
                => $response:ident($answer_lane:ident, $answer_appends:ident);
    )*) => {
        $(pub use $file::{$request, $response};)*

        /// What a message says. Requests, each followed by its response.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Content {
            $(
                #[doc = concat!("`", stringify!($request), "`.")]
                $request($request),
                #[doc = concat!("`", stringify!($response), "`.")]
                $response($response),
            )*
        }

        $(
            impl From<$request> for Content {
                fn from(request: $request) -> Self {
                    Self::$request(request)
                }
            }

            impl From<$response> for Content {
                fn from(response: $response) -> Self {
                    Self::$response(response)
                }
            }
        )*

        impl Content {
            /// Kafka's name of the API for a request, and of the response, for traces.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(
                        Self::$request(_) => $name,
                        Self::$response(_) => concat!($name, "Response"),
                    )*
                }
            }

            /// Whether it is a request, which slow processing delays.
            #[must_use]
            pub const fn is_request(&self) -> bool {
                match self {
                    $(
                        Self::$request(_) => true,
                        Self::$response(_) => false,
                    )*
                }
            }

            /// The lane that works on it, at a broker.
            #[must_use]
            pub const fn lane(&self) -> Lane {
                match self {
                    $(
                        Self::$request(_) => Lane::$lane,
                        Self::$response(_) => Lane::$answer_lane,
                    )*
                }
            }

            /// Which service time handling it takes.
            #[must_use]
            pub const fn cost(&self) -> Cost {
                match self {
                    $(
                        Self::$request(_) => Cost::$cost,
                        Self::$response(_) => Cost::Response,
                    )*
                }
            }

            /// What its handler appends to a log.
            #[must_use]
            pub const fn appends(&self) -> Appends {
                match self {
                    $(
                        Self::$request(_) => Appends::$appends,
                        Self::$response(_) => Appends::$answer_appends,
                    )*
                }
            }

            /// The part list it refers to, if any.
            #[must_use]
            pub fn parts(&self) -> Option<PartsId> {
                match self {
                    $(
                        Self::$request(request) => request.parts(),
                        Self::$response(response) => response.parts(),
                    )*
                }
            }
        }

        /// A pattern: any response. So a dispatcher of requests names all messages without a `_`.
        macro_rules! response {
            () => { $($crate::model::message::Content::$response(_))|* };
        }
        pub(crate) use response;
    };
    (@patterns $pattern:ident $(
        $name:literal in $file:ident:
            $request:ident($lane:ident, $cost:ident, $appends:ident)
                => $response:ident($answer_lane:ident, $answer_appends:ident);
    )*) => {
        /// A pattern: any request that nodes of this kind serve, for the dispatchers of the others.
        macro_rules! $pattern {
            () => { $($crate::model::message::Content::$request(_))|* };
        }
        pub(crate) use $pattern;
    };
}

/// Makes the struct of a message, and derives from its fields which lists it refers to.
macro_rules! message {
    (
        $(#[$doc:meta])*
        pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $name {
            /// The part list it refers to, if any.
            pub(super) fn parts(&self) -> Option<crate::model::message::PartsId> {
                None$(.or(crate::model::message::parts::Field::parts(&self.$field)))*
            }
        }
    };
}
