<?php
echo 'install ', $_SERVER['QUERY_STRING'], "\n";
