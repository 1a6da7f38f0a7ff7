//! Requests to application servers in protocols other than HTTP; responses come back as HTTP or CGI.

pub mod uwsgi;
