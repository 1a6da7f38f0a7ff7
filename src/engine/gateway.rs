//! Requests to application servers in protocols other than HTTP; responses come back as HTTP or CGI.

pub mod fastcgi;
pub mod memcached;
pub mod records;
mod scgi;
mod uwsgi;
pub mod variables;
